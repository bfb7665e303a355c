package main

// The commands of the README, as somebody pastes them, against the program as it is started there.

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// mustFind looks for programs a test needs. Without one the test is skipped, unless
// OXDAUTH_BROWSER_TESTS=require says that nothing may be.
func mustFind(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err == nil {
			continue
		}
		if os.Getenv("OXDAUTH_BROWSER_TESTS") == "require" {
			t.Fatalf("there is no %s", name)
		}
		t.Skipf("there is no %s", name)
	}
}

// block is a command of the README and what it says comes out.
type block struct{ command, output string }

// umaBlocks reads the section UMA.
func umaBlocks(t *testing.T) []block {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(readme), "\n## UMA\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")
	var blocks []block
	for _, match := range regexp.MustCompile("(?s)```sh\n(.*?)```\n\n```text\n(.*?)```").FindAllStringSubmatch(section, -1) {
		blocks = append(blocks, block{match[1], match[2]})
	}
	require.Equal(t, strings.Count(section, "```"), 4*len(blocks), "every command has its output")
	return blocks
}

func TestTheUMACommandsOfTheREADMEDoWhatItSays(t *testing.T) {
	t.Parallel()
	mustFind(t, "sh", "curl", "sed")
	blocks := umaBlocks(t)
	require.Len(t, blocks, 3)
	_, origin, stop := startProgram(t, "-listen", "localhost:0")
	defer stop()

	const end = "-- the end of a block --\n"
	var script strings.Builder
	for _, b := range blocks {
		require.Contains(t, b.command, "http://localhost:8080/")
		script.WriteString(strings.ReplaceAll(b.command, "http://localhost:8080/", origin+"/") + "printf '%s' '" + end + "'\n")
	}
	sh := exec.CommandContext(t.Context(), "sh")
	sh.Stdin = strings.NewReader(script.String())
	sh.Env = append(os.Environ(), "NO_PROXY=*", "no_proxy=*")
	out, err := sh.Output()
	require.NoError(t, err)
	outputs := strings.Split(strings.ReplaceAll(string(out), "\r\n", "\n"), end)
	require.Len(t, outputs, len(blocks)+1, string(out))

	ticket, tickets := regexp.MustCompile(`ticket="([^"]+)"`), map[string]bool{}
	for i, b := range blocks {
		pattern := strings.ReplaceAll(regexp.QuoteMeta(b.output), "…", "[^\n\"]+")
		assert.Regexp(t, "^"+pattern+"$", outputs[i], b.command)
		for _, match := range ticket.FindAllStringSubmatch(outputs[i], -1) {
			tickets[match[1]] = true
		}
	}
	assert.Len(t, tickets, 2, "each refusal has a ticket of its own")
}
