package law_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/internal/law"
)

const root = "../.."

func TestNoImportPointsUpwards(t *testing.T) {
	t.Parallel()
	assert.NoError(t, law.Imports(root))
}

func TestTheRootIsSmallAndItsFilesUseEachOtherOneWay(t *testing.T) {
	t.Parallel()
	r, err := law.LoadRoot(root)
	require.NoError(t, err)
	assert.NoError(t, r.Sizes())
	assert.NoError(t, r.Cycles())
	assert.Contains(t, r.Uses()["middleware.go"], "sessions.go")
}

func TestCommentsAreNarrow(t *testing.T) {
	t.Parallel()
	assert.NoError(t, law.Comments(root))
}

// A law that finds nothing in a bad tree would find nothing in a good one either.
func TestWhatBreaksTheLawIsFound(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	write("go.mod", "module example.com/oxdauth\n\ngo 1.25.0\n")
	write("a.go", "package oxdauth\n\n"+strings.Repeat("// x\n", 420)+"type Middleware struct{ a, b, c, d, e, f, g, h, i, j, k int }\n\nfunc up() { down() }\n")
	write("b.go", "package oxdauth\n\n// "+strings.Repeat("x", 98)+"\nfunc down() { between() }\n")
	write("c.go", "package oxdauth\n\nfunc between() { up() }\n")
	write("internal/web/web.go", "package web\n\nimport _ \"example.com/oxdauth/internal/limit\"\n")
	write("internal/limit/limit.go", "package limit\n")
	write("internal/sealed/sealed.go", "package sealed\n\nimport _ \"example.com/oxdauth/internal/session\"\n")
	write("internal/session/session.go", "package session\n")
	write("internal/unknown/unknown.go", "package unknown\n\nimport _ \"example.com/oxdauth/oxd\"\n")
	write("oxd/oxd.go", "package oxd\n")
	write("oxdtest/oxdtest.go", "package oxdtest\n\nimport _ \"example.com/oxdauth\"\n")

	err := law.Imports(dir)
	require.Error(t, err)
	assert.ElementsMatch(t, []string{
		"internal/web may not import internal/limit",
		"internal/sealed may not import internal/session",
		"internal/unknown may not import oxd",
		"oxdtest may not import the root",
	}, strings.Split(err.Error(), "\n"))
	r, err := law.LoadRoot(dir)
	require.NoError(t, err)
	assert.ErrorContains(t, r.Sizes(), "lines of a.go: 425, at most 420")
	assert.ErrorContains(t, r.Sizes(), "fields of Middleware: 11, at most 10")
	for _, pair := range []string{"a.go uses b.go (down)", "b.go uses c.go (between)", "c.go uses a.go (up)"} {
		assert.ErrorContains(t, r.Cycles(), pair)
	}
	assert.ErrorContains(t, law.Comments(dir), "b.go:3: a comment of 101 columns, at most 100")
}
