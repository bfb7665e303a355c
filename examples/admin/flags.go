package main

// The command line: the flags, their defaults, and every check that needs nothing but the flags
// themselves.

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// callbackPath is where the provider sends the browser back to, unless -redirect-url says
// otherwise.
const callbackPath = "/auth/callback"

// config is what the command line says.
type config struct {
	listen      string
	oxd         string // empty: embedded
	dialect     string // local, web or rest
	opHost      string
	redirectURL string // empty: made from the address listened on
	siteFile    string
	protected   bool
	caFile      string
	keysFile    string
}

// usageError is a mistake in the command line.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// parseFlags reads the command line. The error is [flag.ErrHelp] after -h, whose text goes to
// stdout, or a *usageError.
func parseFlags(args []string, stdout io.Writer) (config, error) {
	var c config
	flags := flag.NewFlagSet("admin", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&c.listen, "listen", "localhost:8080", "`host:port` to listen on; port 0 takes a free one")
	flags.StringVar(&c.oxd, "oxd", "", "oxd server: `host:port` of its socket, or https://host:port of its HTTPS extension (default: an embedded one)")
	flags.StringVar(&c.dialect, "dialect", "", "how to speak to oxd: local, the socket of 3.1; web, its HTTPS extension; rest, oxd 4 (default: local or web, by -oxd)")
	flags.StringVar(&c.opHost, "op-host", "", "`URL` of the OpenID Provider; needed with -oxd")
	flags.StringVar(&c.redirectURL, "redirect-url", "", "callback `URL` as browsers reach it (default: http://<listen address>"+callbackPath+")")
	flags.StringVar(&c.siteFile, "site-file", "", "`file` that keeps the registration at oxd (default: oxdauth-admin/site.json in the user's configuration directory)")
	flags.BoolVar(&c.protected, "protected", false, "oxd protects its commands with access tokens; implied by an https -oxd")
	flags.StringVar(&c.caFile, "ca", "", "`file` with the PEM certificates of the authority that signed the HTTPS extension's certificate")
	flags.StringVar(&c.keysFile, "keys-file", "", "`file` with session keys, one a line, newest first; made when missing (default: keys end with the process)")
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprintln(stdout, "Usage: admin [flags]")
		flags.SetOutput(stdout)
		flags.PrintDefaults()
		return config{}, err
	case err == nil && flags.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case err == nil:
		err = c.check()
	}
	if err != nil {
		return config{}, &usageError{err}
	}
	return c, nil
}

// check finds the first mistake and fills in what other flags imply.
func (c *config) check() error {
	host, port, err := net.SplitHostPort(c.listen)
	if err != nil {
		return fmt.Errorf("-listen %q: want host:port", c.listen)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("-listen %q: %q is not a port", c.listen, port)
	} else if n == 0 && c.oxd != "" && c.redirectURL == "" {
		return errors.New("-listen with port 0 and -oxd: the registered callback needs a port that stays the same")
	}
	if c.redirectURL == "" && !isLoopback(host) {
		return fmt.Errorf("-listen %q is not on this machine only: -redirect-url is needed, with https", c.listen)
	}
	if err := c.checkRedirectURL(); err != nil {
		return err
	}
	if c.dialect == "" {
		c.dialect = "local"
		if strings.Contains(c.oxd, "://") {
			c.dialect = "web"
		}
	}
	if !slices.Contains([]string{"local", "web", "rest"}, c.dialect) {
		return fmt.Errorf("-dialect %q: want local, web or rest", c.dialect)
	}
	if c.oxd == "" {
		return c.checkEmbedded()
	}
	return c.checkOxd()
}

func (c *config) checkRedirectURL() error {
	if c.redirectURL == "" {
		return nil
	}
	u, err := url.Parse(c.redirectURL)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https"):
		return fmt.Errorf("-redirect-url %q: want an absolute URL such as https://admin.example.com%s", c.redirectURL, callbackPath)
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return fmt.Errorf("-redirect-url %q: plain http is for this machine only", c.redirectURL)
	}
	return nil
}

func (c *config) checkEmbedded() error {
	for name, given := range map[string]bool{
		"-op-host": c.opHost != "", "-site-file": c.siteFile != "", "-protected": c.protected, "-ca": c.caFile != "",
	} {
		if given {
			return fmt.Errorf("%s is for a real oxd: -oxd is missing", name)
		}
	}
	return nil
}

func (c *config) checkOxd() error {
	u, err := url.Parse(c.opHost)
	if c.opHost == "" {
		return errors.New("-oxd needs -op-host, the URL of the OpenID Provider")
	}
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return fmt.Errorf("-op-host %q: want a URL such as https://idp.example.com", c.opHost)
	}
	if c.dialect != "local" {
		u, err := url.Parse(c.oxd)
		if err != nil || u.Scheme != "https" || u.Host == "" {
			return fmt.Errorf("-oxd %q: want host:port or https://host:port; -dialect %s goes over https", c.oxd, c.dialect)
		}
		c.protected = true
	} else if _, _, err := net.SplitHostPort(c.oxd); err != nil {
		return fmt.Errorf("-oxd %q: want host:port or https://host:port", c.oxd)
	} else if c.caFile != "" {
		return errors.New("-ca is for an https -oxd: the socket has no TLS")
	}
	if c.siteFile == "" {
		dir, err := os.UserConfigDir()
		if err != nil {
			return fmt.Errorf("-site-file is needed: %w", err)
		}
		c.siteFile = filepath.Join(dir, "oxdauth-admin", "site.json")
	}
	return nil
}

// callback returns the callback URL for the address actually listened on, whose port the flag may
// have left open.
func (c *config) callback(addr net.Addr) string {
	if c.redirectURL != "" {
		return c.redirectURL
	}
	host, _, _ := net.SplitHostPort(c.listen) // checked by check
	_, port, _ := net.SplitHostPort(addr.String())
	return "http://" + net.JoinHostPort(host, port) + callbackPath
}

// protectionFile keeps beside the registration which resources belong to it. Those of the embedded
// oxd end with the program.
func (c *config) protectionFile() string {
	if c.siteFile == "" {
		return ""
	}
	return c.siteFile + ".uma"
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

func originOf(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		return rawURL
	}
	return u.Scheme + "://" + u.Host
}
