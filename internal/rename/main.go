// Command rename sets another path for the module, in every file that names it:
//
//	go run ./internal/rename example.org/team/oxdauth
//
// Run it at the root of the repository. The reserved path it comes with cannot be published by
// anybody.
package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go run ./internal/rename example.org/team/oxdauth")
		os.Exit(2)
	}
	changed, err := rename(".", os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "rename:", err)
		os.Exit(1)
	}
	fmt.Printf("%d files changed\n", changed)
}

// modulePath is what the go command accepts for a module that can be fetched: a domain, then
// elements of plain characters.
var modulePath = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*(\.[a-z0-9-]+)+(/[A-Za-z0-9][A-Za-z0-9._~-]*)+$`)

// rename replaces the module path of the go.mod in root by path and returns the number of files
// changed.
func rename(root, path string) (int, error) {
	if !modulePath.MatchString(path) {
		return 0, fmt.Errorf("%q is no module path such as example.org/team/oxdauth", path)
	}
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(mod), "\n")
	old, found := strings.CutPrefix(strings.TrimSpace(line), "module ")
	if !found {
		return 0, fmt.Errorf("go.mod does not begin with a module line")
	}
	changed := 0
	err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == ".git":
			return filepath.SkipDir
		case !d.Type().IsRegular() || !slices.Contains([]string{".go", ".mod", ".md"}, filepath.Ext(name)):
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil || !bytes.Contains(text, []byte(old)) {
			return err
		}
		changed++
		return os.WriteFile(name, bytes.ReplaceAll(text, []byte(old), []byte(path)), 0o644)
	})
	return changed, err
}
