package apicheck_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/internal/apicheck"
)

var update = flag.Bool("update", false, "write the lists in testdata/api")

// root is the directory of the repository.
var root = filepath.Join("..", "..")

func TestTheExportedSurfaceIsTheOneInTheLists(t *testing.T) {
	t.Parallel()
	for name, dir := range map[string]string{"oxdauth": ".", "oxd": "oxd", "oxdtest": "oxdtest", "redisstore": "redisstore"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			surface, err := apicheck.Surface(filepath.Join(root, dir))
			require.NoError(t, err)
			file := filepath.Join(root, "testdata", "api", name+".txt")
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(surface), 0o644))
			}
			golden, err := os.ReadFile(file)
			require.NoError(t, err)
			assert.Empty(t, apicheck.Changes(string(golden), surface),
				"the API has changed: a CHANGELOG line, then go test ./internal/apicheck -update")
		})
	}
}

// before is a package with one declaration of each kind, and listed its list.
const before = `package shop

import (
	"io"

	"example.com/shop/internal/base"
)

const Limit = 3

type Kind string

const Book Kind = "book"

var Default Kind = Book

type Item struct {
	Name string ` + "`json:\"name\"`" + `
	hidden
	Shelf
	price int
}

type Shelf struct{ Row int }

func (Shelf) Empty() bool { return true }

type hidden struct{ Weight int }

func (i *Item) Price() int { return i.price }
func (k Kind) String() string { return string(k) }
func (h hidden) Heavy() bool { return h.Weight > 9 }

type Reader interface {
	io.Reader
	Find(name string) (*Item, bool)
}

type Option interface{ apply() }

type Named = base.Named

func Sell(items []Item, seen func(Item) error) error { return nil }
func Sort[T ~string](list []T) {}

func unseen() {}
`

const listed = `const Book Kind = "book"
const Limit untyped int = 3
field Item.Name string ` + "`json:\"name\"`" + `
field Item.Shelf Shelf (embedded)
field Item.Weight int
field Named.ID int
field Shelf.Row int
func Sell(items []Item, seen func(Item) error) error
func Sort[T ~string](list []T)
method (*Item) Price() int
method (*Named) Rename()
method (Item) Heavy() bool
method (Kind) String() string
method (Reader) Find(name string) (*Item, bool)
method (Reader) Read(p []byte) (n int, err error)
method (Shelf) Empty() bool
type Item struct
type Kind string
type Named = example.com/shop/internal/base.Named
type Option interface
type Option interface, no other package implements it
type Reader interface
type Shelf struct
var Default Kind
`

func TestEveryChangeOfTheSurfaceIsFound(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ old, new, want string }{
		"nothing":               {"", "", ""},
		"a comment":             {"func unseen", "// unseen is not exported.\nfunc unseen", ""},
		"an unexported name":    {"unseen", "hiddenAsWell", ""},
		"an added function":     {"func unseen", "func Seen() {}\nfunc unseen", "+func Seen()\n"},
		"a removed constant":    {"const Limit = 3", "", "-const Limit untyped int = 3\n"},
		"another value":         {"Limit = 3", "Limit = 4", "-const Limit untyped int = 3\n+const Limit untyped int = 4\n"},
		"another type":          {"var Default Kind", "var Default string = string(Book) //", "-var Default Kind\n+var Default string\n"},
		"a renamed parameter":   {"items []Item", "list []Item", "-func Sell(items []Item, seen func(Item) error) error\n+func Sell(list []Item, seen func(Item) error) error\n"},
		"a method by value":     {"i *Item", "i Item", "-method (*Item) Price() int\n+method (Item) Price() int\n"},
		"a promoted field":      {"Weight int", "Weight, Height int", "+field Item.Height int\n"},
		"a method of interface": {"io.Reader", "io.ReadCloser", "+method (Reader) Close() error\n"},
		"a constraint":          {"~string", "~string | ~int", "-func Sort[T ~string](list []T)\n+func Sort[T ~string | ~int](list []T)\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := strings.Replace(before, c.old, c.new, 1)
			require.True(t, name == "nothing" || source != before)
			assert.Equal(t, c.want, apicheck.Changes(listed, surface(t, source)))
		})
	}
}

func TestTheLinesAreSorted(t *testing.T) {
	t.Parallel()
	assert.Equal(t, listed, surface(t, before))
}

func TestAPackageThatDoesNotCompileIsAnError(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "go.mod", "module example.com/shop\n\ngo 1.25.0\n")
	write(t, dir, "shop.go", "package shop\n\nvar X = missing\n")
	_, err := apicheck.Surface(dir)
	assert.ErrorContains(t, err, "undefined: missing")
}

func surface(t *testing.T, source string) string {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, "go.mod", "module example.com/shop\n\ngo 1.25.0\n")
	write(t, dir, "shop.go", source)
	write(t, dir, "internal/base/base.go", "package base\n\ntype Named struct{ ID int }\n\nfunc (*Named) Rename() {}\n")
	text, err := apicheck.Surface(dir)
	require.NoError(t, err)
	return text
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	file := filepath.Join(dir, filepath.FromSlash(name))
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
}
