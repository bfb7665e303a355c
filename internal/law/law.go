// Package law checks the layout of this repository: which package may import which, how large the
// parts of the root package may be, and that no two of its files use each other.
package law

import (
	"bufio"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

const (
	module = "example.com/oxdauth"

	maxRootFiles = 22
	maxLines     = 420 // of a source file in the root
	maxFields    = 10  // of a component
	maxMethods   = 20  // of a component
	maxColumns   = 100 // of a line that is a comment; a tab counts as four
)

// imports has the packages of this module that each internal package may import. Every package may
// import oxd and the leaves, which are those with an empty list; a leaf imports no other internal
// package.
var imports = map[string][]string{
	"web": {}, "limit": {}, "expiring": {}, "flight": {}, "texts": {}, "files": {}, "jose": {}, "oxdwire": {},
	"logouttoken": {}, "sealed": {}, "uma": {},
	"session": {"sealed"},
	"pending": {"session", "sealed"},
	"replica": {"session", "sealed"},
	"ended":   {"replica", "session", "sealed"},
	"renewal": {"replica", "session", "sealed"},

	"law": {}, "rename": {}, "apicheck": {}, "release": {}, // programs about the repository
}

var leaves = []string{"web", "limit", "expiring", "flight", "texts", "files", "jose", "oxdwire"}

// Imports returns an error for each import that points upwards: from an internal package to one
// that it may not use, or from below the root to the root. dir is the root of the repository.
func Imports(dir string) error {
	out, err := run(dir, "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...")
	if err != nil {
		return err
	}
	var errs []error
	for line := range strings.Lines(out) {
		words := strings.Fields(line)
		from := strings.TrimPrefix(strings.TrimPrefix(words[0], module), "/")
		for _, to := range words[1:] {
			to, ours := strings.CutPrefix(to, module)
			if ours && !mayImport(from, strings.TrimPrefix(to, "/")) {
				errs = append(errs, fmt.Errorf("%s may not import %s", orRoot(from), orRoot(strings.TrimPrefix(to, "/"))))
			}
		}
	}
	return errors.Join(errs...)
}

func orRoot(path string) string {
	if path == "" {
		return "the root"
	}
	return path
}

// mayImport takes paths below the module, "" for the root.
func mayImport(from, to string) bool {
	inside, internal := strings.CutPrefix(from, "internal/")
	leaf := slices.Contains(leaves, strings.TrimPrefix(to, "internal/"))
	switch {
	case from == "":
		return to == "oxd" || strings.HasPrefix(to, "internal/")
	case internal && slices.Contains(leaves, inside):
		return to == "oxd"
	case internal:
		allowed, known := imports[inside]
		return known && (to == "oxd" || leaf || slices.Contains(allowed, strings.TrimPrefix(to, "internal/")))
	case from == "oxd":
		return leaf
	case strings.HasPrefix(from, "oxdtest"):
		return to == "oxd" || leaf || strings.HasPrefix(to, "oxdtest/internal/")
	}
	return false
}

// Root is the root package, parsed and type-checked.
type Root struct {
	fset  *token.FileSet
	files map[string]*ast.File // by name
	info  *types.Info
	pkg   *types.Package
}

// LoadRoot reads the source files of the package in dir, without tests.
func LoadRoot(dir string) (*Root, error) {
	out, err := run(dir, "list", "-export", "-deps", "-f", `{{.ImportPath}} {{.Export}}`, ".")
	if err != nil {
		return nil, err
	}
	exports := map[string]string{}
	for line := range strings.Lines(out) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		exports[path] = file
	}
	r := &Root{fset: token.NewFileSet(), files: map[string]*ast.File{}}
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(r.fset, name, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		r.files[filepath.Base(name)] = file
	}
	config := types.Config{Importer: importer.ForCompiler(r.fset, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(exports[path])
	})}
	r.info = &types.Info{Uses: map[*ast.Ident]types.Object{}, Selections: map[*ast.SelectorExpr]*types.Selection{}}
	r.pkg, err = config.Check(module, r.fset, slices.Collect(maps.Values(r.files)), r.info)
	return r, err
}

// Sizes returns an error for each part of the root package that is too large. A component is a
// struct type with methods on its pointer that is not exported, or a facade; a facade has no limit
// of methods.
func (r *Root) Sizes() error {
	var errs []error
	tooMany := func(what string, n, most int) {
		if n > most {
			errs = append(errs, fmt.Errorf("%s: %d, at most %d", what, n, most))
		}
	}
	tooMany("source files in the root", len(r.files), maxRootFiles)
	for name, file := range r.files {
		tooMany("lines of "+name, r.fset.File(file.Pos()).LineCount(), maxLines)
	}
	for _, name := range r.pkg.Scope().Names() {
		named, ok := r.pkg.Scope().Lookup(name).Type().(*types.Named)
		if !ok {
			continue
		}
		fields, ok := named.Underlying().(*types.Struct)
		facade := name == "Middleware" || name == "Guard"
		if !ok || !facade && (token.IsExported(name) || named.NumMethods() == 0) {
			continue
		}
		tooMany("fields of "+name, fields.NumFields(), maxFields)
		if !facade {
			tooMany("methods of "+name, named.NumMethods(), maxMethods)
		}
	}
	return errors.Join(errs...)
}

// Cycles returns an error for each set of files in the root of which every one uses every other
// one, directly or by way of others. Two files that use each other are such a set.
func (r *Root) Cycles() error {
	uses := r.Uses()
	reaches := map[string]map[string]bool{}
	for name := range r.files {
		reaches[name] = map[string]bool{}
		queue := slices.Collect(maps.Keys(uses[name]))
		for len(queue) > 0 {
			next := queue[0]
			queue = queue[1:]
			if !reaches[name][next] {
				reaches[name][next] = true
				queue = slices.AppendSeq(queue, maps.Keys(uses[next]))
			}
		}
	}
	var errs []error
	for _, a := range slices.Sorted(maps.Keys(r.files)) {
		for _, b := range slices.Sorted(maps.Keys(uses[a])) {
			if reaches[b][a] {
				errs = append(errs, fmt.Errorf("%s uses %s (%s), which comes back to it", a, b, uses[a][b]))
			}
		}
	}
	return errors.Join(errs...)
}

// Uses returns, for each file in the root, the files of which it uses something, with an example.
func (r *Root) Uses() map[string]map[string]string {
	uses := map[string]map[string]string{}
	for name, file := range r.files {
		uses[name] = map[string]string{}
		ast.Inspect(file, func(n ast.Node) bool {
			id, ok := n.(*ast.Ident)
			if !ok {
				return true
			}
			if used := r.info.Uses[id]; used != nil && used.Pkg() == r.pkg {
				if at := filepath.Base(r.fset.Position(used.Pos()).Filename); at != name {
					uses[name][at] = used.Name()
				}
			}
			return true
		})
	}
	return uses
}

// Comments returns an error for each comment in the Go files below dir that is too wide. The output
// of an example stays as it is printed.
func Comments(dir string) error {
	var errs []error
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && name != dir:
			return fs.SkipDir
		case d.IsDir() || filepath.Ext(name) != ".go":
			return nil
		}
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		output := false
		lines := bufio.NewScanner(f)
		for n := 1; lines.Scan(); n++ {
			text := strings.TrimLeft(lines.Text(), "\t")
			if !strings.HasPrefix(text, "//") {
				output = false
				continue
			}
			output = output || strings.HasPrefix(text, "// Output:")
			columns := 4*(len(lines.Text())-len(text)) + len([]rune(text))
			if columns > maxColumns && !output && !strings.HasPrefix(text, "//go:") {
				errs = append(errs, fmt.Errorf("%s:%d: a comment of %d columns, at most %d", name, n, columns, maxColumns))
			}
		}
		return lines.Err()
	})
	return errors.Join(append(errs, err)...)
}

func run(dir string, args ...string) (string, error) {
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		return "", fmt.Errorf("go %s: %s", args[0], failed.Stderr)
	}
	return string(out), err
}
