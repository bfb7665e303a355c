package oxdauth

// What a browser keeps while it is elsewhere: one sealed cookie for each login and each claims gathering under way, found
// again by the state that comes back.

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// attempt is a payload that waits for a state.
type attempt interface {
	payload
	begun() (created int64, state [16]byte)
}

// attempts says how many of a kind a browser keeps, and for how long.
type attempts struct {
	*sealer
	most, mostBytes int
	kept            time.Duration
	label           string // of the hash of a state
}

func (m *Middleware) loginAttempts() attempts {
	return attempts{m.logins, maxLogins, maxLoginBytes, loginMemory, "state"}
}

func (m *Middleware) gatheringAttempts() attempts {
	return attempts{m.gatherings, maxGatherings, maxLoginBytes, gatheringLifetime, "uma state"}
}

// cookie names the cookie of an attempt by its time, so that the oldest is found without opening any, and its state.
func (a attempts) cookie(created int64, state [16]byte) string {
	return fmt.Sprintf("%s%09x%s", a.name, created, base64.RawURLEncoding.EncodeToString(state[:6]))
}

// remember sets the cookie of an attempt and removes the oldest ones beyond the limits.
func (a attempts) remember(w http.ResponseWriter, jar jar, v attempt) error {
	values, err := a.seal(v)
	if err == nil && len(values) > 1 {
		err = ErrSessionTooLarge
	}
	if err != nil {
		return err
	}
	name := a.cookie(v.begun())
	kept, bytes := 1, len(name)+len(values[0])
	older := slices.DeleteFunc(slices.Clone(jar), func(c cookiePair) bool { return !strings.HasPrefix(c.name, a.name) })
	slices.SortFunc(older, func(a, b cookiePair) int { return strings.Compare(b.name, a.name) })
	for _, c := range older {
		bytes += len(c.name) + len(c.value)
		if kept++; kept > a.most || bytes > a.mostBytes {
			a.set(w, c.name, "", -1)
		}
	}
	a.set(w, name, values[0], int(a.kept/time.Second))
	return nil
}

// find reads into v the attempt that started with this state in this browser, and gives the name of its cookie, "" when
// there is none.
func (a attempts) find(jar jar, state string, v attempt) (name string) {
	want := hash16(a.label, state)
	suffix := a.cookie(0, want)[len(a.name)+9:]
	tried := 0
	for _, c := range jar {
		if !strings.HasPrefix(c.name, a.name) || !strings.HasSuffix(c.name, suffix) || tried == maxCandidates {
			continue
		}
		tried++
		if _, ok := a.open(jar, c.value, v); !ok {
			continue
		}
		if _, have := v.begun(); equal(have[:], want[:]) {
			return c.name
		}
	}
	return ""
}
