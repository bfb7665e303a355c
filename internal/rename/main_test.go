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
	original, root := filepath.Join("..", ".."), t.TempDir()
	require.NoError(t, os.CopyFS(root, os.DirFS(original)))
	changed, err := rename(root, "example.org/team/oxdauth")
	require.NoError(t, err)
	assert.Greater(t, changed, 10)

	old := strings.Join([]string{"example.com", "oxdauth"}, "/")
	want := strings.ReplaceAll(modules(t, original), old, "example.org/team/oxdauth")
	assert.Equal(t, want, modules(t, root))

	cmd := exec.CommandContext(t.Context(), "go", "build", "./...", "./examples/admin", "./redisstore")
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	require.NoError(t, err)
	assert.NotContains(t, string(readme), old)
}

// modules lists those of a workspace.
func modules(t *testing.T, root string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-m")
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

func TestAPathThatCannotBeFetchedIsRefused(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"", "oxdauth", "example.org", "https://example.org/x", "example.org/a b", "../x", "example.org/x/"} {
		_, err := rename(t.TempDir(), path)
		assert.Error(t, err, path)
	}
}
