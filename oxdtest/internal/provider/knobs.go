// What a test sets to make the provider misbehave, and the counters by which it looks at what
// happened.

package provider

import (
	"sync"
	"time"
)

// Settings are what a test can change; the methods of oxdtest.Provider document them.
type Settings struct {
	Down           bool
	AccessLifetime time.Duration
	RefreshDelay   time.Duration
	Padding        int // bytes
	ACRDelivered   string
	AuthTimeAge    time.Duration
	DenyNext       string
	Consent        bool
	RefreshTokens  bool
}

// Counts is how often something happened.
type Counts struct {
	Refreshes         int
	ReuseDetected     int
	CodeReuses        int
	EndSessions       int
	EndSessionHints   int
	LogoutTokensTaken int
}

// knobs is safe for concurrent use. Its lock is taken last.
type knobs struct {
	mu       sync.Mutex // guards the rest
	settings Settings
	counts   Counts
}

func (k *knobs) set(change func(*Settings)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	change(&k.settings)
}

func (k *knobs) get() Settings {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.settings
}

// takeDenial returns the error code of the next authorization request, once.
func (k *knobs) takeDenial() (code string) {
	k.set(func(s *Settings) { code, s.DenyNext = s.DenyNext, "" })
	return code
}

func (k *knobs) count(change func(*Counts)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	change(&k.counts)
}
