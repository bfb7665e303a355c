package web

// Ids by which an answer, its record in the log and its event or decision are found together.

import (
	"crypto/rand"
	"encoding/base32"
	"sync"
)

const (
	requestIDChars = 12 // 60 bits
	requestIDBatch = 64
)

// requestIDs holds random texts of *string from which ids are cut, so that an id rarely costs a
// read of random bytes.
var requestIDs sync.Pool

// RequestID returns a random id of 12 letters and digits. It is safe for concurrent use.
func RequestID() string {
	text, _ := requestIDs.Get().(*string)
	if text == nil || *text == "" {
		var random [requestIDChars * requestIDBatch * 5 / 8]byte
		rand.Read(random[:]) // never fails since Go 1.24: a broken source ends the process
		fresh := base32.StdEncoding.EncodeToString(random[:])
		text = &fresh
	}
	id := (*text)[:requestIDChars]
	*text = (*text)[requestIDChars:]
	requestIDs.Put(text)
	return id
}
