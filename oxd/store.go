package oxd

// The file that keeps a registration over restarts.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"example.com/oxdauth/internal/files"
)

const (
	siteFileVersion = 1
	maxSiteFile     = 1 << 20
)

// siteFile is the content of Site.File.
type siteFile struct {
	Version                 int       `json:"version"`
	OxdID                   string    `json:"oxd_id"`
	OPHost                  string    `json:"op_host"`
	ClientID                string    `json:"client_id,omitempty"`
	ClientSecret            string    `json:"client_secret,omitempty"`
	RegistrationAccessToken string    `json:"registration_access_token,omitempty"`
	RegistrationClientURI   string    `json:"registration_client_uri,omitempty"`
	ClientSecretExpiresAt   time.Time `json:"client_secret_expires_at,omitzero"`
	RegisteredAt            time.Time `json:"registered_at"`
	Replaced                string    `json:"replaced,omitempty"`
	Identity                string    `json:"identity"`
	Metadata                string    `json:"metadata"`
}

func newSiteFile(reg *registration) siteFile {
	return siteFile{
		Version: siteFileVersion,
		OxdID:   reg.OxdID, OPHost: reg.OPHost,
		ClientID: reg.ClientID, ClientSecret: reg.ClientSecret.Reveal(),
		RegistrationAccessToken: reg.RegistrationAccessToken.Reveal(), RegistrationClientURI: reg.RegistrationClientURI,
		ClientSecretExpiresAt: reg.ClientSecretExpiresAt.UTC(), RegisteredAt: reg.RegisteredAt, Replaced: reg.Replaced,
		Identity: reg.identity, Metadata: reg.metadata,
	}
}

func (f siteFile) registration() *registration {
	return &registration{
		Registration: Registration{
			OxdID: f.OxdID, OPHost: f.OPHost,
			ClientID: f.ClientID, ClientSecret: NewSecret(f.ClientSecret),
			RegistrationAccessToken: NewSecret(f.RegistrationAccessToken), RegistrationClientURI: f.RegistrationClientURI,
			ClientSecretExpiresAt: f.ClientSecretExpiresAt, RegisteredAt: f.RegisteredAt, Replaced: f.Replaced,
		},
		identity: f.Identity, metadata: f.Metadata, fromFile: true,
	}
}

// withFile calls choose with the registration kept so far, nil if there is none.
// With a file it holds the lock meanwhile; without, have is what is kept.
func (c *Client) withFile(ctx context.Context, have *registration, choose func(kept *registration) (*registration, error)) (*registration, error) {
	path := c.site.File
	if path == "" {
		return choose(have)
	}
	unlock, err := files.Lock(ctx, path+".lock")
	if err != nil {
		return nil, fmt.Errorf("oxd: site file: %w", err)
	}
	defer unlock()
	if reg := c.unsaved; reg != nil {
		return reg, c.keep(reg)
	}
	kept, err := readSiteFile(path)
	if err != nil {
		return nil, err
	}
	return choose(kept)
}

// keep writes reg to the file. If that fails, reg is remembered, so that trying
// again does not register again.
func (c *Client) keep(reg *registration) error {
	if c.site.File == "" {
		return nil
	}
	c.unsaved = reg
	if err := files.WriteJSON(c.site.File, newSiteFile(reg)); err != nil {
		return fmt.Errorf("oxd: keeping the registration: %w", err)
	}
	c.unsaved = nil
	return nil
}

// readSiteFile returns nil if there is no file.
func readSiteFile(path string) (*registration, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("oxd: site file: %w", err)
	}
	defer f.Close()
	if err := keepPrivate(f); err != nil {
		return nil, fmt.Errorf("oxd: site file: %w", err)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxSiteFile))
	if err != nil {
		return nil, fmt.Errorf("oxd: site file: %w", err)
	}
	var content siteFile
	if err := json.Unmarshal(data, &content); err != nil || content.Version != siteFileVersion || content.OxdID == "" {
		return nil, fmt.Errorf("oxd: site file %s cannot be understood; restore it, or remove it to register anew", path)
	}
	return content.registration(), nil
}

// keepPrivate takes away what others may do with a file that holds credentials.
func keepPrivate(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("not a regular file")
	}
	if info.Mode().Perm()&0o077 != 0 {
		return f.Chmod(0o600)
	}
	return nil
}
