// Command release makes a version of the modules that are published, the root and redisstore:
//
//	go run ./internal/release -version v0.1.0 -to DIR
//
// Run it at the root of a clean checkout, under the module path of the release. It commits the
// go.mod files of the version, tags the commit once for each module, and writes the modules below
// DIR as the go command reads them from GOPROXY=file://DIR. The branch stays as it is, and nothing
// is pushed. The examples and the benchmarks are not published.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// published has the directories of the modules, each after those that it requires.
var published = []string{".", "redisstore"}

func main() {
	version := flag.String("version", "", "the version, such as v0.1.0")
	to := flag.String("to", "", "the directory that the modules are written to")
	flag.Parse()
	if *version == "" || *to == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	tags, err := release(".", *version, *to)
	if err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
	fmt.Printf("written to %s\nto publish: git push REMOTE %s\n", *to, strings.Join(tags, " "))
}

// semver has the versions that a module path without a suffix such as /v2 can have.
var semver = regexp.MustCompile(`^v[01]\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)` +
	`(-(0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)(\.(0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*))*)?$`)

// release makes the version from the last commit of the repository in root and returns the tags. It
// adds them last, so that a module that does not build leaves none.
func release(root, version, to string) (tags []string, err error) {
	if !semver.MatchString(version) {
		return nil, fmt.Errorf("%q is no version such as v0.1.0; from v2 on the module path has to end in the major version", version)
	}
	changes, err := run(root, nil, "git", "status", "--porcelain")
	if err != nil {
		return nil, err
	}
	if changes != "" {
		return nil, fmt.Errorf("the tree has changes:\n%s", changes)
	}
	for _, dir := range published {
		tag := strings.TrimPrefix(dir+"/"+version, "./")
		found, err := run(root, nil, "git", "tag", "--list", tag)
		if err != nil {
			return nil, err
		}
		if found != "" {
			return nil, fmt.Errorf("the tag %s exists", tag)
		}
		tags = append(tags, tag)
	}
	if to, err = filepath.Abs(to); err != nil {
		return nil, err
	}
	temp, err := os.MkdirTemp("", "release")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	tree := filepath.Join(temp, "tree")
	if _, err := run(root, nil, "git", "worktree", "add", "--detach", tree, "HEAD"); err != nil {
		return nil, err
	}
	defer func() {
		_, removed := run(root, nil, "git", "worktree", "remove", "--force", tree)
		err = errors.Join(err, removed)
	}()
	b := builder{tree: tree, version: version, proxy: proxy{dir: to}}
	if b.env, err = environment(root, temp, to); err != nil {
		return nil, err
	}
	for _, dir := range published {
		if err := b.module(dir); err != nil {
			return nil, fmt.Errorf("module %s: %w", dir, err)
		}
	}
	if err := b.build(filepath.Join(temp, "user")); err != nil {
		return nil, err
	}
	commit, err := run(tree, nil, "git", "rev-parse", "HEAD")
	if err != nil {
		return nil, err
	}
	for i, tag := range tags {
		message := b.done[i] + " " + version
		if _, err := run(root, nil, "git", "tag", "--annotate", "--message", message, tag, strings.TrimSpace(commit)); err != nil {
			return nil, err
		}
	}
	return tags, nil
}

// builder makes the modules of a version in a work tree of its own.
type builder struct {
	tree    string
	version string
	proxy   proxy
	env     settings
	done    []string // the paths of the modules that exist
}

// module commits the module in dir, with the modules of the same version in place of replaced ones,
// and adds it to the proxy.
func (b *builder) module(dir string) error {
	at := filepath.Join(b.tree, dir)
	mod, err := readMod(at)
	if err != nil {
		return err
	}
	edit := []string{"mod", "edit"}
	for _, replaced := range mod.Replace {
		path := replaced.Old.Path
		if !slices.Contains(b.done, path) {
			return fmt.Errorf("go.mod replaces %s, which is no module of this release", path)
		}
		edit = append(edit, "-dropreplace="+path, "-require="+path+"@"+b.version)
	}
	if len(mod.Replace) > 0 {
		if _, err := run(at, b.env.fetch, "go", edit...); err != nil {
			return err
		}
	}
	if _, err := run(at, b.env.fetch, "go", "mod", "tidy"); err != nil {
		return err
	}
	changes, err := run(b.tree, nil, "git", "status", "--porcelain")
	if err != nil {
		return err
	}
	if changes != "" {
		if _, err := run(b.tree, nil, "git", "add", "--all"); err != nil {
			return err
		}
		if _, err := run(b.tree, nil, "git", "commit", "--quiet", "--message", "Release "+b.version); err != nil {
			return err
		}
	}
	b.done = append(b.done, mod.Module.Path)
	return b.proxy.add(b.tree, dir, mod.Module.Path, b.version)
}

// build builds every package of the modules in a new module outside of the repository.
func (b *builder) build(user string) error {
	if err := os.Mkdir(user, 0o700); err != nil {
		return err
	}
	if err := fetch(user, b.env, b.version, b.done...); err != nil {
		return err
	}
	args := []string{"build"}
	for _, path := range b.done {
		args = append(args, path+"/...")
	}
	_, err := run(user, b.env.build, "go", args...)
	return err
}

// fetch makes the directory user a module that requires the modules with these paths, by go get. It
// then replaces them by the directories that they were unpacked to, for a build with the module
// cache of the machine: what that has of other modules is compiled already.
func fetch(user string, env settings, version string, paths ...string) error {
	if _, err := run(user, env.fetch, "go", "mod", "init", "example.org/user"); err != nil {
		return err
	}
	edit := []string{"mod", "edit"}
	for _, path := range paths {
		// A module of a moment has no go.sum, and needs no record of the checksums of others.
		if _, err := run(user, append(env.fetch, "GOSUMDB=off"), "go", "get", path+"@"+version); err != nil {
			return err
		}
		dir, err := run(user, env.fetch, "go", "list", "-m", "-f", "{{.Dir}}", path)
		if err != nil {
			return err
		}
		edit = append(edit, "-replace="+path+"="+strings.TrimSpace(dir))
	}
	_, err := run(user, env.fetch, "go", edit...)
	return err
}
