// Package demo lets the small examples run with nothing else on the machine: it starts an oxd and
// an OpenID Provider in their process, which end with it.
package demo

import (
	"context"
	"fmt"
	"io"
	"net/url"

	"example.com/oxdauth/oxd"
	"example.com/oxdauth/oxdtest"
)

// Oxd starts an oxd and gives the client of a site with this callback URL. A service in earnest
// calls [oxd.NewClient].
func Oxd(callbackURL string) *oxd.Client {
	server := oxdtest.NewUnstartedServer(oxdtest.Config{InsecureProvider: true})
	server.Start()
	return server.Client(callbackURL)
}

// Welcome prints what to try with a service that has an /account and, guarded by UMA, photos. It is
// a client of the photos itself: it has oxd give it a ticket and an RPT for the ticket.
func Welcome(w io.Writer, client *oxd.Client) error {
	u, err := url.Parse(client.AuthorizationRedirectURI())
	if err != nil {
		return err
	}
	access, err := client.CheckAccess(context.Background(), oxd.CheckAccessParams{Path: "/photos/{id}", HTTPMethod: "GET"})
	if err != nil {
		return err
	}
	rpt, err := client.RPT(context.Background(), oxd.RPTParams{Ticket: access.Ticket})
	if err != nil {
		return err
	}
	user, origin := oxdtest.DefaultUsers()[0], u.Scheme+"://"+u.Host
	_, err = fmt.Fprintf(w, `
  A person     %[1]s/account   (sign in as %[2]s / %[3]s)
  A program    curl -i %[1]s/photos/7
  with an RPT  curl -i -H 'Authorization: Bearer %[4]s' %[1]s/photos/7

`, origin, user.Name, user.Password, rpt.AccessToken.Reveal())
	return err
}
