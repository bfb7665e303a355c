package main

// The files of a module as the go command asks a proxy for them (go.dev/ref/mod#goproxy-protocol).

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// proxy is a directory that the go command reads modules from.
type proxy struct{ dir string }

// add writes the files of the module that is in the directory dir of the last commit in tree.
func (p proxy) add(tree, dir, module, version string) error {
	versions := filepath.Join(p.dir, filepath.FromSlash(escape(module)), "@v")
	if err := os.MkdirAll(versions, 0o755); err != nil {
		return err
	}
	name := filepath.Join(versions, escape(version))
	if err := archive(tree, dir, module+"@"+version, name+".zip"); err != nil {
		return err
	}
	mod, err := run(tree, nil, "git", "show", "HEAD:"+path.Join(dir, "go.mod"))
	if err != nil {
		return err
	}
	at, err := run(tree, []string{"TZ=UTC"}, "git", "show", "--no-patch", "--date=format-local:%Y-%m-%dT%H:%M:%SZ", "--format=%cd", "HEAD")
	if err != nil {
		return err
	}
	info, err := json.Marshal(map[string]string{"Version": version, "Time": strings.TrimSpace(at)})
	if err != nil {
		return err
	}
	list, err := os.ReadFile(filepath.Join(versions, "list"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	all := strings.Fields(string(list))
	if !slices.Contains(all, version) {
		all = append(all, version)
	}
	return errors.Join(
		os.WriteFile(name+".mod", []byte(mod), 0o644),
		os.WriteFile(name+".info", append(info, '\n'), 0o644),
		os.WriteFile(filepath.Join(versions, "list"), []byte(strings.Join(all, "\n")+"\n"), 0o644),
	)
}

// archive writes the committed files of the module in dir without those of modules below it, as the
// go command itself makes a module of a repository: by git archive, with the LICENSE of the
// repository where the module has none, and without entries for directories.
func archive(tree, dir, prefix, file string) error {
	commit := "HEAD:" + strings.TrimPrefix(dir, ".")
	out, err := run(tree, nil, "git", "ls-tree", "-r", "--name-only", "-z", commit)
	if err != nil {
		return err
	}
	names := strings.Split(out, "\x00")
	args := []string{"-c", "core.autocrlf=input", "-c", "core.eol=lf", "archive", "--format=zip", "--prefix=" + prefix + "/"}
	if !slices.Contains(names, "LICENSE") {
		args = append(args, "--add-file=LICENSE")
	}
	args = append(args, commit, ".")
	for _, name := range names {
		if nested := path.Dir(name); path.Base(name) == "go.mod" && nested != "." {
			args = append(args, ":(exclude,literal)"+nested)
		}
	}
	archived, err := run(tree, nil, "git", args...)
	if err != nil {
		return err
	}
	files, err := withoutDirectories(archived)
	if err != nil {
		return err
	}
	return os.WriteFile(file, files, 0o644)
}

// withoutDirectories returns a zip file without its entries for directories, which would count in
// the checksum of a module.
func withoutDirectories(archived string) ([]byte, error) {
	in, err := zip.NewReader(strings.NewReader(archived), int64(len(archived)))
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	out := zip.NewWriter(&b)
	for _, f := range in.File {
		if f.Mode().IsDir() {
			continue
		}
		if err := out.Copy(f); err != nil {
			return nil, err
		}
	}
	err = out.Close()
	return b.Bytes(), err
}

// escape writes each upper-case letter as ! and its lower case, for file systems that do not tell
// them apart.
func escape(s string) string {
	return regexp.MustCompile("[A-Z]").ReplaceAllStringFunc(s, func(letter string) string { return "!" + strings.ToLower(letter) })
}
