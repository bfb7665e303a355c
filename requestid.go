package oxdauth

// Ids of decisions.

import (
	"crypto/rand"
	"encoding/base32"
	"sync"
)

const (
	idChars = 12 // 60 bits
	idBatch = 64
)

// idSource gives ids cut from a longer random text, so that one costs hardly anything. Its zero value is ready for use, by
// several goroutines.
type idSource struct{ texts sync.Pool }

func (s *idSource) next() string {
	text, _ := s.texts.Get().(*string)
	if text == nil || *text == "" {
		var random [idChars * idBatch * 5 / 8]byte
		rand.Read(random[:]) // never fails since Go 1.24: a broken source ends the process
		fresh := base32.StdEncoding.EncodeToString(random[:])
		text = &fresh
	}
	id := (*text)[:idChars]
	*text = (*text)[idChars:]
	s.texts.Put(text)
	return id
}
