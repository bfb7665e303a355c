package redisstore_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheFileInTheREADMEBuilds(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile(filepath.Join("..", "README.md"))
	require.NoError(t, err)
	_, section, found := strings.Cut(string(readme), "## Several replicas\n")
	require.True(t, found)
	_, program, found := strings.Cut(section, "```go\n")
	require.True(t, found)
	program, _, _ = strings.Cut(program, "```")
	file := filepath.Join(t.TempDir(), "app.go")
	require.NoError(t, os.WriteFile(file, []byte(program), 0o600))
	out, err := exec.CommandContext(t.Context(), "go", "vet", file).CombinedOutput()
	require.NoError(t, err, "%s", out)
}
