package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheRenamedCopyBuildsUnderItsNewPath(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	require.NoError(t, os.CopyFS(root, os.DirFS(filepath.Join("..", ".."))))
	changed, err := rename(root, "example.org/team/oxdauth")
	require.NoError(t, err)
	assert.Greater(t, changed, 10)

	cmd := exec.CommandContext(t.Context(), "go", "list", "-m")
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Equal(t, []string{"example.org/team/oxdauth", "example.org/team/oxdauth/benchmarks", "example.org/team/oxdauth/examples"}, strings.Fields(string(out)))

	cmd = exec.CommandContext(t.Context(), "go", "build", "./...", "./examples/admin")
	cmd.Dir = root
	out, err = cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	old := strings.Join([]string{"example.com", "oxdauth"}, "/")
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	require.NoError(t, err)
	assert.NotContains(t, string(readme), old)
}

func TestAPathThatCannotBeFetchedIsRefused(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"", "oxdauth", "example.org", "https://example.org/x", "example.org/a b", "../x", "example.org/x/"} {
		_, err := rename(t.TempDir(), path)
		assert.Error(t, err, path)
	}
}
