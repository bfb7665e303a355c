package oxdauth

// The record of what has been protected, in memory or in a file. It holds no secrets.

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
	protectionVersion = 1
	maxProtectionFile = 4 << 20
)

// protectionRecord says, for one oxd_id, with which fingerprint each resource and method was registered.
type protectionRecord struct {
	Version   int               `json:"version"`
	OxdID     string            `json:"oxd_id"`
	Resources map[string]string `json:"resources"`
}

// loadRecord gives the record for a site, an empty one if it is new. A file that cannot be understood is an error: taking
// it for empty could register everything twice.
func (g *Guard) loadRecord(oxdID string) (protectionRecord, error) {
	record := g.known
	if file := g.settings.protectionFile; file != "" {
		var err error
		if record, err = readProtection(file); err != nil {
			return protectionRecord{}, fmt.Errorf("oxdauth: protection file: %w", err)
		}
	}
	if record.OxdID != oxdID || record.Resources == nil {
		record = protectionRecord{Version: protectionVersion, OxdID: oxdID, Resources: map[string]string{}}
	}
	return record, nil
}

func readProtection(file string) (protectionRecord, error) {
	var record protectionRecord
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return record, nil
	}
	if err != nil {
		return record, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxProtectionFile))
	if err != nil {
		return record, err
	}
	if json.Unmarshal(data, &record) != nil || record.Version != protectionVersion || record.OxdID == "" {
		return protectionRecord{}, fmt.Errorf("%s cannot be understood; restore it, or remove it to have oxd asked about each resource", file)
	}
	return record, nil
}

func (g *Guard) saveRecord(record protectionRecord) error {
	g.known = record
	file := g.settings.protectionFile
	if file == "" {
		return nil
	}
	if err := files.WriteJSON(file, record); err != nil {
		return fmt.Errorf("oxdauth: protection file: %w", err)
	}
	return nil
}
