package uma

// The record of what has been registered, in memory or in a file. It holds no secrets.

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"example.com/oxdauth/internal/files"
)

const (
	recordVersion = 1
	maxRecord     = 4 << 20 // bytes of a file
)

// record holds, for one oxd_id, the fingerprint with which each resource was registered.
type record struct {
	Version   int               `json:"version"`
	OxdID     string            `json:"oxd_id"`
	Resources map[string]string `json:"resources"` // fingerprints by key
}

// add enters resources as they are declared now.
func (p record) add(list []*Resource) {
	for _, r := range list {
		p.Resources[r.Key()] = r.fingerprint()
	}
}

// compare returns an error for each resource about which the declarations and the record disagree.
func (p record) compare(list []*Resource) error {
	const wayOut = "oxd 3.1 cannot change that; restore the declaration, or give the application a new oxd_id by removing the files of its site and of its protection"
	var errs []error
	declared := map[string]bool{}
	for _, r := range list {
		declared[r.Key()] = true
		if was, ok := p.Resources[r.Key()]; ok && was != r.fingerprint() {
			errs = append(errs, fmt.Errorf("oxdauth: resource %q was protected with other scopes: %s", r.Key(), wayOut))
		}
	}
	for key := range p.Resources {
		if !declared[key] {
			errs = append(errs, fmt.Errorf("oxdauth: resource %q is protected but not declared any more: %s", key, wayOut))
		}
	}
	return errors.Join(errs...)
}

// load returns the record for a site, an empty one if the site is new. A file that cannot be
// understood is an error: an empty record in its place could have everything registered twice.
func (g *Registrar) load(oxdID string) (record, error) {
	known := g.known
	if g.File != "" {
		var err error
		if known, err = readRecord(g.File); err != nil {
			return record{}, fmt.Errorf("oxdauth: protection file: %w", err)
		}
	}
	if known.OxdID != oxdID || known.Resources == nil {
		known = record{Version: recordVersion, OxdID: oxdID, Resources: map[string]string{}}
	}
	return known, nil
}

func readRecord(file string) (record, error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return record{}, nil
	}
	if err != nil {
		return record{}, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxRecord))
	if err != nil {
		return record{}, err
	}
	var read record
	if json.Unmarshal(data, &read) != nil || read.Version != recordVersion || read.OxdID == "" {
		return record{}, fmt.Errorf("%s cannot be understood; restore it, or remove it to have oxd asked about each resource", file)
	}
	return read, nil
}

func (g *Registrar) save(known record) error {
	g.known = known
	if g.File == "" {
		return nil
	}
	if err := files.WriteJSON(g.File, known); err != nil {
		return fmt.Errorf("oxdauth: protection file: %w", err)
	}
	return nil
}
