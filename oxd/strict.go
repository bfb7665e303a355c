package oxd

// Answers are objects in which a name stands once: which of two values counts
// would depend on who reads them, and one of them could be a permission.

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// UnmarshalJSON reads a JSON object or null, and refuses one with a name twice.
func (o *object) UnmarshalJSON(data []byte) error {
	*o = nil
	dec := json.NewDecoder(bytes.NewReader(data))
	start, err := dec.Token()
	if err != nil || start == nil {
		return err
	}
	if start != json.Delim('{') {
		return fmt.Errorf("%w: not an object", errMalformed)
	}
	fields := object{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return err
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return err
		}
		key, _ := name.(string) // names are strings
		if _, twice := fields[key]; twice {
			return fmt.Errorf("%w: a name is there twice", errMalformed)
		}
		fields[key] = value
	}
	*o = fields
	return nil
}
