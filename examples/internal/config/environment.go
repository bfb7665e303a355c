package config

// The environment: one variable for each key, found by the names in the JSON tags.

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

const prefix = "OXDAUTH_"

// override sets what the environment has.
func override(c *Config, lookup func(string) (string, bool)) error {
	var errs []error
	eachKey(reflect.ValueOf(c).Elem(), nil, func(path []string, field reflect.Value) {
		name := prefix + strings.ToUpper(strings.Join(path, "_"))
		text, found := lookup(name)
		if file, inFile := lookup(name + "_FILE"); inFile {
			content, err := readFile(file)
			switch {
			case found:
				errs = append(errs, fmt.Errorf("%s: set beside %s_FILE", name, name))
			case err != nil:
				errs = append(errs, fmt.Errorf("%s_FILE: %w", name, err))
			}
			text, found = strings.TrimSpace(string(content)), true
		}
		if found {
			if err := set(field, text); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", name, err))
			}
		}
	})
	return errors.Join(errs...)
}

// eachKey visits the fields that are no sections.
func eachKey(section reflect.Value, path []string, visit func(path []string, field reflect.Value)) {
	for i := range section.NumField() {
		here := append(path[:len(path):len(path)], section.Type().Field(i).Tag.Get("json"))
		if field := section.Field(i); field.Kind() == reflect.Struct {
			eachKey(field, here, visit)
		} else {
			visit(here, field)
		}
	}
}

func set(field reflect.Value, text string) error {
	switch field.Interface().(type) {
	case string:
		field.SetString(text)
	case []string:
		var list []string
		for part := range strings.FieldsFuncSeq(text, func(c rune) bool { return c == ',' || c == '\n' }) {
			if part = strings.TrimSpace(part); part != "" {
				list = append(list, part)
			}
		}
		field.Set(reflect.ValueOf(list))
	default: // bool and *bool
		yes, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		value, _ := json.Marshal(yes) // a bool
		return json.Unmarshal(value, field.Addr().Interface())
	}
	return nil
}

// kindOf names a type in the words of JSON.
func kindOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "an array of strings"
	case reflect.Struct:
		return "an object"
	}
	return "a string"
}
