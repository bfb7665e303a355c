// Package apicheck lists the exported surface of a package as text, one declaration a line, for a
// comparison with the list of an earlier version.
package apicheck

import (
	"errors"
	"fmt"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// module is the path that types of this repository are listed without.
const module = "example.com/oxdauth"

// Surface returns what the package in the directory dir exports: constants with their values,
// variables, functions, types, their exported fields and their methods. What an embedded field
// promotes is listed if the field itself is not exported. An alias of a type that other modules
// cannot import is listed like a type of its own. The lines are sorted.
func Surface(dir string) (string, error) {
	pkg, err := load(dir)
	if err != nil {
		return "", err
	}
	l := list{pkg: pkg}
	for _, name := range pkg.Scope().Names() {
		if token.IsExported(name) {
			l.object(pkg.Scope().Lookup(name))
		}
	}
	slices.Sort(l.lines)
	return strings.Join(l.lines, ""), nil
}

// Changes returns the lines of the lists old and current that only one of them has, with - and +
// in front, or "" if there are none.
func Changes(old, current string) string {
	var b strings.Builder
	without := func(sign, in, not string) {
		known := slices.Collect(strings.Lines(not))
		for line := range strings.Lines(in) {
			if !slices.Contains(known, line) {
				b.WriteString(sign + line)
			}
		}
	}
	without("-", old, current)
	without("+", current, old)
	return b.String()
}

// load returns the package in dir as the compiler exports it.
func load(dir string) (*types.Package, error) {
	cmd := exec.Command("go", "list", "-export", "-deps", "-f", "{{.ImportPath}}\t{{.Export}}", ".")
	cmd.Dir = dir
	out, err := cmd.Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		return nil, fmt.Errorf("go list: %s", failed.Stderr)
	}
	if err != nil {
		return nil, err
	}
	files, last := map[string]string{}, ""
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), "\t")
		files[path], last = file, path // the package itself follows what it imports
	}
	return importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(files[path])
	}).Import(last)
}

type list struct {
	pkg   *types.Package
	lines []string
}

func (l *list) add(format string, args ...any) {
	l.lines = append(l.lines, fmt.Sprintf(format, args...)+"\n")
}

func (l *list) object(object types.Object) {
	switch object := object.(type) {
	case *types.Const:
		l.add("const %s %s = %s", object.Name(), l.text(object.Type()), object.Val().ExactString())
	case *types.Var:
		l.add("var %s %s", object.Name(), l.text(object.Type()))
	case *types.Func:
		l.add("func %s%s", object.Name(), l.signature(object))
	case *types.TypeName:
		l.typeName(object)
	}
}

func (l *list) typeName(object *types.TypeName) {
	if object.IsAlias() {
		aliased := types.Unalias(object.Type())
		l.add("type %s = %s", object.Name(), l.text(aliased))
		if named, ok := aliased.(*types.Named); !ok || !internal(named.Obj().Pkg()) {
			return
		}
	}
	named := types.Unalias(object.Type()).(*types.Named)
	name := object.Name() + l.parameters(named.TypeParams())
	switch under := named.Underlying().(type) {
	case *types.Struct:
		l.kind(object, "type %s struct", name)
		l.fields(object.Name(), under)
	case *types.Interface:
		l.kind(object, "type %s interface", name)
		if hidden := under.NumMethods() - l.interfaceMethods(object.Name(), under); hidden > 0 {
			l.add("type %s interface, no other package implements it", object.Name())
		}
		return
	default:
		l.kind(object, "type %s %s", name, l.text(under))
	}
	values := types.NewMethodSet(named)
	pointers := types.NewMethodSet(types.NewPointer(named))
	for i := range pointers.Len() {
		method := pointers.At(i).Obj().(*types.Func)
		if !method.Exported() || fromListedField(named, pointers.At(i)) {
			continue
		}
		receiver := "*" + object.Name()
		if values.Lookup(method.Pkg(), method.Name()) != nil {
			receiver = object.Name()
		}
		l.add("method (%s) %s%s", receiver, method.Name(), l.signature(method))
	}
}

// fromListedField reports whether a method is promoted by an exported embedded field, which stands
// for its methods: they may be of another module, and of another version.
func fromListedField(named *types.Named, method *types.Selection) bool {
	s, ok := named.Underlying().(*types.Struct)
	return ok && len(method.Index()) > 1 && s.Field(method.Index()[0]).Exported()
}

// kind adds the line of a type, which an alias has already.
func (l *list) kind(object *types.TypeName, format string, args ...any) {
	if !object.IsAlias() {
		l.add(format, args...)
	}
}

// fields adds the exported fields of a struct, and those that embedded types promote to it.
func (l *list) fields(owner string, s *types.Struct) {
	for i := range s.NumFields() {
		field := s.Field(i)
		embedded := ""
		if field.Embedded() {
			embedded = " (embedded)"
		}
		if field.Exported() {
			tag := ""
			if s.Tag(i) != "" {
				tag = " `" + s.Tag(i) + "`"
			}
			l.add("field %s.%s %s%s%s", owner, field.Name(), l.text(field.Type()), tag, embedded)
		} else if promoted, ok := field.Type().Underlying().(*types.Struct); ok && field.Embedded() {
			l.fields(owner, promoted)
		}
	}
}

// interfaceMethods adds the exported methods and returns their number.
func (l *list) interfaceMethods(owner string, i *types.Interface) int {
	exported := 0
	for m := range i.NumMethods() {
		if method := i.Method(m); method.Exported() {
			exported++
			l.add("method (%s) %s%s", owner, method.Name(), l.signature(method))
		}
	}
	return exported
}

func (l *list) signature(f *types.Func) string {
	return strings.TrimPrefix(l.text(f.Type()), "func")
}

func (l *list) parameters(params *types.TypeParamList) string {
	var texts []string
	for i := range params.Len() {
		param := params.At(i)
		texts = append(texts, param.Obj().Name()+" "+l.text(param.Constraint()))
	}
	if texts == nil {
		return ""
	}
	return "[" + strings.Join(texts, ", ") + "]"
}

// text returns a type with the import paths of other packages, which are shortened to the part
// below the module for those of this repository.
func (l *list) text(t types.Type) string {
	return types.TypeString(t, func(other *types.Package) string {
		switch {
		case other == l.pkg:
			return ""
		case other.Path() == module:
			return other.Name()
		}
		return strings.TrimPrefix(other.Path(), module+"/")
	})
}

func internal(pkg *types.Package) bool {
	return pkg != nil && slices.Contains(strings.Split(pkg.Path(), "/"), "internal")
}
