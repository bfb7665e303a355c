package main

// The go and git commands, and what they print.

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// run returns what a command prints on standard output; env is added to the environment.
func run(dir string, env []string, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	var out, problem strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, problem.String())
	}
	return out.String(), nil
}

// settings are the environments of the go command.
type settings struct {
	fetch []string // finds the new modules
	build []string // the same with the module cache of the machine
}

// environment returns the settings with which the go command finds the new modules in the directory
// to, and others where it finds them otherwise. The new ones are unpacked below temp: a version
// that is made again must not be in the module cache of the machine already.
func environment(root, temp, to string) (settings, error) {
	mod, err := readMod(root)
	if err != nil {
		return settings{}, err
	}
	out, err := run(root, nil, "go", "env", "GOMODCACHE", "GOPROXY", "GOFLAGS", "GOSUMDB", "GONOSUMDB")
	if err != nil {
		return settings{}, err
	}
	is := strings.Split(out, "\n")
	build := []string{
		"GOENV=off", "GOPRIVATE=", "GONOPROXY=", // or the new modules would not be looked for in to
		"GOWORK=off",
		"GOMODCACHE=" + is[0],
		"GOPROXY=" + fileURL(to) + "," + fileURL(filepath.Join(is[0], "cache", "download")) + "," + is[1],
		"GOFLAGS=" + is[2],
		"GOSUMDB=" + is[3],
		"GONOSUMDB=" + strings.TrimPrefix(is[4]+","+mod.Module.Path, ","),
	}
	fetch := append(slices.Clone(build), "GOMODCACHE="+filepath.Join(temp, "modules"), "GOFLAGS="+is[2]+" -modcacherw")
	return settings{fetch, build}, nil
}

func fileURL(dir string) string {
	return "file:///" + strings.TrimPrefix(filepath.ToSlash(dir), "/")
}

// goMod is a go.mod file as go mod edit prints it.
type goMod struct {
	Module  struct{ Path string }
	Replace []struct{ Old struct{ Path string } }
}

func readMod(dir string) (*goMod, error) {
	out, err := run(dir, []string{"GOWORK=off"}, "go", "mod", "edit", "-json")
	if err != nil {
		return nil, err
	}
	var mod goMod
	return &mod, json.Unmarshal([]byte(out), &mod)
}
