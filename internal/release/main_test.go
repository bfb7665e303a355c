package main

import (
	"archive/zip"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// renamed has a letter that proxies escape, and names a repository that git can be told to find
// somewhere else.
const renamed = "example.org/Acme/oxdauth.git"

const user = `package main

import (
	"fmt"

	oxdauth "` + renamed + `"
	"` + renamed + `/redisstore"
)

func main() {
	var store oxdauth.Store = redisstore.New(nil)
	fmt.Printf("%T", store)
}
`

// TestMain lets git find the repositories of the tests alone, also in a hook of another one.
func TestMain(m *testing.M) {
	for _, name := range []string{"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"} {
		os.Unsetenv(name)
	}
	os.Exit(m.Run())
}

func TestTheModulesOfAReleaseAreFetchedFromAProxyAndBuild(t *testing.T) {
	t.Parallel()
	root, to := repository(t), t.TempDir()
	command(t, root, nil, "go", "run", "./internal/rename", renamed)
	command(t, root, nil, "git", "commit", "--quiet", "--all", "--message", "Rename")
	head := command(t, root, nil, "git", "rev-parse", "HEAD")

	printed := command(t, root, nil, "go", "run", "./internal/release", "-version", "v0.1.0", "-to", to)

	assert.Contains(t, printed, "git push REMOTE v0.1.0 redisstore/v0.1.0\n")
	assert.Equal(t, "redisstore/v0.1.0\nv0.1.0\n", command(t, root, nil, "git", "tag"))
	assert.Equal(t, head, command(t, root, nil, "git", "rev-parse", "HEAD"), "the branch")
	assert.Empty(t, command(t, root, nil, "git", "status", "--porcelain"))
	assert.Equal(t, 1, strings.Count(command(t, root, nil, "git", "worktree", "list"), "\n"))
	for _, tag := range []string{"v0.1.0", "redisstore/v0.1.0"} {
		mod := command(t, root, nil, "git", "show", tag+":redisstore/go.mod")
		assert.NotContains(t, mod, "replace")
		assert.Contains(t, mod, renamed+" v0.1.0\n")
		assert.Contains(t, command(t, root, nil, "git", "show", tag+":redisstore/go.sum"), renamed+" v0.1.0 h1:")
	}
	core := zipped(t, filepath.Join(to, "example.org/!acme/oxdauth.git/@v/v0.1.0.zip"))
	assert.Contains(t, core, renamed+"@v0.1.0/doc.go")
	for _, name := range core {
		assert.NotRegexp(t, "@v0.1.0/(redisstore|examples|benchmarks)/", name)
	}
	assert.Contains(t, zipped(t, filepath.Join(to, "example.org/!acme/oxdauth.git/redisstore/@v/v0.1.0.zip")), renamed+"/redisstore@v0.1.0/LICENSE")

	direct := []string{
		"GOPROXY=direct", "GOPRIVATE=", "GONOPROXY=", "GOSUMDB=off", "GOFLAGS=-modcacherw", "GOMODCACHE=" + t.TempDir(),
		"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=url." + fileURL(root) + ".insteadOf", "GIT_CONFIG_VALUE_0=https://example.org/Acme/oxdauth",
	}
	for _, path := range []string{renamed, renamed + "/redisstore"} {
		env, err := environment(root, t.TempDir(), to)
		require.NoError(t, err)
		fromTag := sum(t, direct, path+"@v0.1.0")
		assert.Regexp(t, "^h1:.{44}$", fromTag)
		assert.Equal(t, fromTag, sum(t, env.fetch, path+"@v0.1.0"))
	}

	app := t.TempDir()
	write(t, app, "main.go", user)
	env, err := environment(root, t.TempDir(), to)
	require.NoError(t, err)
	require.NoError(t, fetch(app, env, "v0.1.0", renamed, renamed+"/redisstore"))
	assert.Equal(t, "*redisstore.Store", command(t, app, env.build, "go", "run", "."))
	assert.Contains(t, command(t, app, env.fetch, "go", "list", "-m", renamed), renamed+" v0.1.0 ")
}

// The commands are those that somebody runs who looks at the repository for the first time.
func TestAFreshCloneStaysCleanWhenItIsLookedAt(t *testing.T) {
	t.Parallel()
	clone := filepath.Join(t.TempDir(), "clone")
	command(t, ".", nil, "git", "clone", "--quiet", repository(t), clone)
	for _, line := range []string{
		"go doc .", "go doc ./oxd", "go vet .", "go list -m all", "go mod graph", "go list -deps -test work",
	} {
		args := strings.Fields(line)
		command(t, clone, []string{"GOWORK="}, args[0], args[1:]...)
		assert.Empty(t, command(t, clone, nil, "git", "status", "--porcelain"), line)
	}
	for _, dir := range strings.Fields(command(t, clone, nil, "go", "list", "-m", "-f", "{{.Dir}}")) {
		command(t, dir, nil, "go", "list", "-deps", "./...")
		command(t, dir, nil, "go", "list", "-m", "all")
		assert.Empty(t, command(t, clone, nil, "git", "status", "--porcelain"), dir)
	}
}

func TestWhatCannotBeReleasedIsRefused(t *testing.T) {
	t.Parallel()
	const (
		core  = "module example.org/shop\n\ngo 1.25.0\n"
		store = "module example.org/shop/redisstore\n\ngo 1.25.0\n\nrequire example.org/shop v0.0.0\n\nreplace example.org/shop => ../\n"
	)
	for name, c := range map[string]struct {
		version, store, tag, untracked string
		source                         string // of redisstore
		want                           string
	}{
		"no version":               {version: "0.1.0", want: "no version"},
		"not semantic":             {version: "v0.1", want: "no version"},
		"a leading zero":           {version: "v0.01.0", want: "no version"},
		"build metadata":           {version: "v0.1.0+linux", want: "no version"},
		"another module path":      {version: "v2.0.0", want: "no version"},
		"an empty pre-release":     {version: "v1.0.0-", want: "no version"},
		"a changed tree":           {untracked: "notes.txt", want: "?? notes.txt"},
		"a version that exists":    {tag: "v0.1.0", want: "the tag v0.1.0 exists"},
		"half of a version":        {tag: "redisstore/v0.1.0", want: "the tag redisstore/v0.1.0 exists"},
		"a replaced module":        {store: store + "replace example.org/other => ../other\n", want: "replaces example.org/other"},
		"no go.mod":                {store: "module\n", want: "go mod edit"},
		"code that does not build": {source: "package redisstore\n\nvar X = missing\n", want: "undefined: missing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root, to := t.TempDir(), t.TempDir()
			write(t, root, "go.mod", core)
			write(t, root, "shop.go", "package shop\n")
			write(t, root, "LICENSE", "MIT\n")
			write(t, root, "redisstore/go.mod", either(c.store, store))
			write(t, root, "redisstore/store.go", either(c.source, "package redisstore\n\nimport _ \"example.org/shop\"\n"))
			commit(t, root)
			if c.tag != "" {
				command(t, root, nil, "git", "tag", c.tag)
			}
			if c.untracked != "" {
				write(t, root, c.untracked, "")
			}
			_, err := release(root, either(c.version, "v0.1.0"), to)
			assert.ErrorContains(t, err, c.want)
			assert.Equal(t, strings.TrimPrefix(c.tag+"\n", "\n"), command(t, root, nil, "git", "tag"))
			assert.Equal(t, 1, strings.Count(command(t, root, nil, "git", "worktree", "list"), "\n"))
		})
	}
}

func TestASecondVersionIsAddedToTheList(t *testing.T) {
	t.Parallel()
	root, to := t.TempDir(), t.TempDir()
	write(t, root, "go.mod", "module example.org/shop\n\ngo 1.25.0\n")
	write(t, root, "shop.go", "package shop\n")
	write(t, root, "LICENSE", "MIT\n")
	write(t, root, "redisstore/go.mod", "module example.org/shop/redisstore\n\ngo 1.25.0\n")
	write(t, root, "redisstore/store.go", "package redisstore\n")
	commit(t, root)
	for _, version := range []string{"v0.1.0", "v0.1.1", "v1.0.0-rc.1"} {
		tags, err := release(root, version, to)
		require.NoError(t, err)
		assert.Equal(t, []string{version, "redisstore/" + version}, tags)
	}
	list, err := os.ReadFile(filepath.Join(to, "example.org/shop/@v/list"))
	require.NoError(t, err)
	assert.Equal(t, "v0.1.0\nv0.1.1\nv1.0.0-rc.1\n", string(list))
	info, err := os.ReadFile(filepath.Join(to, "example.org/shop/@v/v0.1.1.info"))
	require.NoError(t, err)
	assert.Regexp(t, `^{"Time":"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ","Version":"v0.1.1"}\n$`, string(info))
}

// repository returns a copy of this one with all files in one commit, whether they are committed
// here or not.
func repository(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("builds a copy of the repository")
	}
	original, root := filepath.Join("..", ".."), t.TempDir()
	require.NoError(t, filepath.WalkDir(original, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.Name() == ".git" && d.IsDir():
			return fs.SkipDir
		case d.Name() == ".git" || !d.Type().IsRegular():
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(original, name)
		write(t, root, relative, string(text))
		return err
	}))
	commit(t, root)
	return root
}

// commit makes a repository of the files in root.
func commit(t *testing.T, root string) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("there is no git")
	}
	for _, line := range []string{
		"init --quiet", "config user.name Somebody", "config user.email somebody@example.org", "config commit.gpgSign false",
		"config tag.gpgSign false", "add --all", "commit --quiet --message First",
	} {
		command(t, root, nil, "git", strings.Fields(line)...)
	}
}

// sum returns the checksum of a module, as it stands in go.sum.
func sum(t *testing.T, env []string, module string) string {
	t.Helper()
	var downloaded struct{ Sum string }
	out := command(t, t.TempDir(), env, "go", "mod", "download", "-json", module)
	require.NoError(t, json.Unmarshal([]byte(out), &downloaded))
	return downloaded.Sum
}

func command(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	out, err := run(dir, env, name, args...)
	require.NoError(t, err)
	return out
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	file := filepath.Join(dir, filepath.FromSlash(name))
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
}

func zipped(t *testing.T, file string) []string {
	t.Helper()
	r, err := zip.OpenReader(file)
	require.NoError(t, err)
	defer r.Close()
	var names []string
	for _, f := range r.File {
		names = append(names, f.Name)
	}
	return slices.Sorted(slices.Values(names))
}

func either(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}
