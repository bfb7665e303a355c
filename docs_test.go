package oxdauth_test

// What README and docs/ say is compared with the source: the Go code compiles, and what they name
// exists.

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth"
)

// fragmentHead is put before code of the documents that is no whole program. The code can use the
// names that it declares, and can declare them anew.
const fragmentHead = `func _(ctx context.Context, client *oxd.Client, auth *oxdauth.Middleware, guard *oxdauth.Guard,
	mux *http.ServeMux, app, page http.Handler, w http.ResponseWriter, r *http.Request, key, previousKey []byte) {
`

var fragmentImports = map[string]string{
	"context": "context", "errors": "errors", "expvar": "expvar", "fmt": "fmt", "http": "net/http", "log": "log", "os": "os",
	"time": "time", "tls": "crypto/tls", "url": "net/url", "x509": "crypto/x509",
	"oxdauth": "example.com/oxdauth", "oxd": "example.com/oxdauth/oxd", "oxdtest": "example.com/oxdauth/oxdtest",
}

func TestTheGoCodeInTheDocumentsCompiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var fragments, programs []string
	for name, text := range documents(t) {
		for i, code := range goBlocks(text) {
			file := filepath.Join(dir, fmt.Sprintf("%s_%d.go", strings.TrimSuffix(filepath.Base(name), ".md"), i))
			if code.program {
				programs = append(programs, file)
			} else {
				fragments = append(fragments, file)
				code.text = wholeFile(t, name, code)
			}
			require.NoError(t, os.WriteFile(file, []byte(code.text), 0o600))
		}
	}
	require.NotEmpty(t, fragments)
	vet := func(files ...string) {
		out, err := exec.CommandContext(t.Context(), "go", append([]string{"vet"}, files...)...).CombinedOutput()
		assert.NoError(t, err, "%s", out)
	}
	vet(fragments...) // one package
	for _, program := range programs {
		vet(program)
	}
}

func documents(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob("docs/*.md")
	require.NoError(t, err)
	require.NotEmpty(t, names)
	texts := map[string]string{}
	for _, name := range append(names, "README.md") {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		texts[name] = string(text)
	}
	return texts
}

type goBlock struct {
	text    string
	line    int // of its first line
	program bool
}

func goBlocks(document string) []goBlock {
	var blocks []goBlock
	line := 1
	for {
		before, after, found := strings.Cut(document, "```go\n")
		if !found {
			return blocks
		}
		code, rest, _ := strings.Cut(after, "```")
		line += strings.Count(before, "\n") + 1
		blocks = append(blocks, goBlock{code, line, strings.HasPrefix(code, "package ")})
		line += strings.Count(code, "\n")
		document = rest
	}
}

// wholeFile makes a file of a fragment: with the imports it needs, in a function, and with a use
// for what it declares only to show it.
func wholeFile(t *testing.T, name string, code goBlock) string {
	t.Helper()
	wrapped := fmt.Sprintf("%s{\n//line %s:%d\n%s\n", fragmentHead, name, code.line, code.text)
	parsed, err := parser.ParseFile(token.NewFileSet(), name, "package docs\n"+wrapped+"}}\n", 0)
	require.NoError(t, err, code.text)
	body := parsed.Decls[0].(*ast.FuncDecl).Body.List[0].(*ast.BlockStmt)
	var b bytes.Buffer
	fmt.Fprintln(&b, "package docs")
	used := map[string]bool{"context": true, "http": true, "oxd": true, "oxdauth": true} // by the head
	ast.Inspect(body, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok && fragmentImports[x.Name] != "" {
				used[x.Name] = true
			}
		}
		return true
	})
	for _, name := range slices.Sorted(maps.Keys(used)) {
		fmt.Fprintf(&b, "import %q\n", fragmentImports[name])
	}
	b.WriteString(wrapped)
	for _, statement := range body.List {
		if define, ok := statement.(*ast.AssignStmt); ok && define.Tok == token.DEFINE {
			for _, left := range define.Lhs {
				if id, ok := left.(*ast.Ident); ok && id.Name != "_" {
					fmt.Fprintf(&b, "_ = %s\n", id.Name)
				}
			}
		}
	}
	b.WriteString("}}\n")
	return b.String()
}

// TestEveryOptionIsDocumented finds the options by their result types, so that a new one cannot be
// forgotten.
func TestEveryOptionIsDocumented(t *testing.T) {
	t.Parallel()
	var options []string
	for _, f := range exportedFuncs(t) {
		if f.Recv != nil || f.Type.Results == nil || len(f.Type.Results.List) != 1 {
			continue
		}
		result, ok := f.Type.Results.List[0].Type.(*ast.Ident)
		if ok && slices.Contains([]string{"Option", "GuardOption"}, result.Name) {
			options = append(options, f.Name.Name)
		}
	}
	require.Contains(t, options, "WithKeys")
	require.Contains(t, options, "WithSessions")
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)\\(").FindAllStringSubmatch(documents(t)["docs/options.md"], -1) {
		documented = append(documented, row[1])
	}
	slices.Sort(options)
	slices.Sort(documented)
	assert.Equal(t, options, documented, "the rows of the tables in docs/options.md")
}

// TestEveryFieldOfAResourceIsDocumented is the same for the fields of [oxdauth.Resource].
func TestEveryFieldOfAResourceIsDocumented(t *testing.T) {
	t.Parallel()
	var fields, documented []string
	for _, field := range reflect.VisibleFields(reflect.TypeFor[oxdauth.Resource]()) {
		fields = append(fields, field.Name)
	}
	_, section, found := strings.Cut(documents(t)["docs/options.md"], "\n## Of a resource\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)` ").FindAllStringSubmatch(section, -1) {
		documented = append(documented, row[1])
	}
	require.NotEmpty(t, fields)
	assert.Equal(t, fields, documented, "the rows of the table, in the order of the fields")
}

func exportedFuncs(t *testing.T) []*ast.FuncDecl {
	t.Helper()
	names, err := filepath.Glob("*.go")
	require.NoError(t, err)
	var list []*ast.FuncDecl
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Name.IsExported() {
				list = append(list, f)
			}
		}
	}
	return list
}

// TestTheDocumentsNameWhatExists follows the links, and looks for the tests and source files that
// are shown as evidence.
func TestTheDocumentsNameWhatExists(t *testing.T) {
	t.Parallel()
	tests := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	require.NoError(t, filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, "_test.go") {
			return err
		}
		text, err := os.ReadFile(name)
		for _, found := range declared.FindAllStringSubmatch(string(text), -1) {
			tests[found[1]] = true
		}
		return err
	}))
	for name, text := range documents(t) {
		for _, found := range regexp.MustCompile("`((?:Test|Fuzz)\\w+)`").FindAllStringSubmatch(text, -1) {
			assert.True(t, tests[found[1]], "%s: there is no test %s", name, found[1])
		}
		for _, found := range regexp.MustCompile("`([\\w/]+\\.go)`").FindAllStringSubmatch(text, -1) {
			assert.FileExists(t, filepath.FromSlash(found[1]), name)
		}
		for _, found := range regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`).FindAllStringSubmatch(text, -1) {
			assert.FileExists(t, filepath.Join(filepath.Dir(name), filepath.FromSlash(found[1])), name)
		}
	}
}

func TestTheProgramInTheREADMEBuildsAndIsShort(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	_, program, found := strings.Cut(string(readme), "```go\n")
	require.True(t, found)
	program, _, _ = strings.Cut(program, "```")
	assert.LessOrEqual(t, strings.Count(program, "\n"), 30)
	file := filepath.Join(t.TempDir(), "main.go")
	require.NoError(t, os.WriteFile(file, []byte(program), 0o600))
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(t.TempDir(), "program"), file).CombinedOutput()
	require.NoError(t, err, "%s", out)
}
