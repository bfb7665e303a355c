package sealed_test

// Values that are sealed outside of cookies, and keys.

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/internal/sealed"
)

func testSealer(t *testing.T, keys ...[]byte) *sealed.Sealer {
	t.Helper()
	s, err := sealed.NewSealer("__Host-test", "store", "a", keys, time.Hour)
	require.NoError(t, err)
	return s
}

func TestASealedValueOpensUnderItsNameAlone(t *testing.T) {
	t.Parallel()
	older, newer := sealed.RandomKey(), sealed.RandomKey()
	before, during, after := testSealer(t, older), testSealer(t, newer, older), testSealer(t, newer)
	value, err := before.Seal("key", &note{"a"})
	require.NoError(t, err)
	later, err := before.Seal("key", raw{sealed.Version + 1})
	require.NoError(t, err)
	id, rest, _ := strings.Cut(value, ".")
	for name, test := range map[string]struct {
		sealer      *sealed.Sealer
		name, value string
		rotate      bool
		err         error
	}{
		"the current key":    {before, "key", value, false, nil},
		"a previous key":     {during, "key", value, true, nil},
		"a key that is gone": {after, "key", value, false, sealed.ErrPayload},
		"another name":       {before, "other", value, false, sealed.ErrPayload},
		"another key id":     {before, "key", "AAAAAA." + rest, false, sealed.ErrPayload},
		"no key id":          {before, "key", rest, false, sealed.ErrPayload},
		"only a key id":      {before, "key", id, false, sealed.ErrPayload},
		"nothing":            {before, "key", "", false, sealed.ErrPayload},
		"an endless value":   {before, "key", id + "." + strings.Repeat("A", sealed.MaxSealed), false, sealed.ErrPayload},
		"a later release":    {before, "key", later, false, sealed.ErrVersion},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := new(note)
			rotate, err := test.sealer.Open(test.name, test.value, v)
			assert.Equal(t, test.err, err)
			if err == nil {
				assert.Equal(t, test.rotate, rotate)
				assert.Equal(t, "a", v.text)
			}
		})
	}
}

func TestALargePayloadIsSealedUpToALimit(t *testing.T) {
	t.Parallel()
	s := testSealer(t, testKey)
	full := make(raw, sealed.MaxPlain)
	value, err := s.Seal("key", full)
	require.NoError(t, err)
	assert.LessOrEqual(t, len(value), sealed.MaxSealed, "what is sealed can be opened")
	_, err = s.Seal("key", append(full, 0))
	assert.Equal(t, sealed.ErrTooLarge, err)
}

func TestAWeakKeyIsRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		key  string
		want string
	}{
		"random bytes":          {string(sealed.RandomKey()) + "\x00", ""},
		"64 hexadecimal digits": {strings.Repeat("0123456789abcdef", 4), ""},
		"63 hexadecimal digits": {strings.Repeat("0123456789abcdef", 4)[1:], "63 bytes"},
		"43 base64 characters":  {strings.Repeat("0123456789ABCDEFGHIJ", 3)[:43], ""},
		"42 base64 characters":  {strings.Repeat("0123456789ABCDEFGHIJ", 3)[:42], "42 bytes"},
		"31 bytes":              {strings.Repeat("0123456789!?", 3)[:31], "31 bytes"},
		"nothing":               {"", "0 bytes"},
		"nine bytes all over":   {strings.Repeat("!?#$%&()*", 8), "too few different bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := sealed.CheckKey([]byte(test.key))
			if test.want == "" {
				assert.NoError(t, err)
			} else {
				assert.ErrorContains(t, err, test.want)
			}
		})
	}
	assert.True(t, sealed.Equal([]byte("a"), []byte("a")))
	assert.False(t, sealed.Equal([]byte("a"), []byte("b")))
	assert.False(t, sealed.Equal([]byte("a"), []byte("ab")))
}

func TestExpiryStaysWithinWhatAPayloadCanHold(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		now      time.Time
		lifetime time.Duration
		want     int64
	}{
		{time.Unix(1_800_000_000, 0), time.Hour, 1_800_003_600},
		{time.Unix(10, 0), -time.Hour, 0},
		{time.Unix(sealed.MaxTime, 0), time.Hour, sealed.MaxTime},
	} {
		assert.Equal(t, test.want, sealed.Expiry(test.now, test.lifetime))
	}
}

func TestAReaderReadsNothingAfterAFault(t *testing.T) {
	t.Parallel()
	b := []byte{sealed.Version, 1, 2, 0xac, 0x02, 3, 'a', 'b', 'c', 'd', 'e'}
	r := sealed.NewReader(b)
	var two [2]byte
	r.Bytes(two[:])
	assert.Equal(t, [2]byte{1, 2}, two)
	assert.Equal(t, uint64(300), r.Uvarint())
	assert.Equal(t, "abc", r.Text())
	assert.True(t, r.More())
	assert.Equal(t, sealed.ErrPayload, r.Finish(), "something is left")
	assert.Equal(t, "de", r.Rest())
	assert.False(t, r.More())
	assert.NoError(t, r.Finish())

	r = sealed.NewReader(binary.AppendUvarint([]byte{sealed.Version}, sealed.MaxTime))
	assert.Equal(t, int64(sealed.MaxTime), r.Time())
	assert.NoError(t, r.Finish())

	for name, test := range map[string]struct {
		payload []byte
		read    func(*sealed.Reader)
		want    error
	}{
		"nothing at all":         {nil, func(*sealed.Reader) {}, sealed.ErrPayload},
		"another version":        {[]byte{2, 1}, func(*sealed.Reader) {}, sealed.ErrVersion},
		"a time beyond 9999":     {binary.AppendUvarint([]byte{1}, sealed.MaxTime+1), func(r *sealed.Reader) { r.Time() }, sealed.ErrPayload},
		"more items than bytes":  {[]byte{1, 3, 0, 0}, func(r *sealed.Reader) { r.Count() }, sealed.ErrPayload},
		"a text beyond the end":  {[]byte{1, 3, 0, 0}, func(r *sealed.Reader) { r.Text() }, sealed.ErrPayload},
		"bytes beyond the end":   {[]byte{1, 0}, func(r *sealed.Reader) { r.Bytes(make([]byte, 2)) }, sealed.ErrPayload},
		"a number without end":   {[]byte{1, 0x80, 0x80}, func(r *sealed.Reader) { r.Uvarint() }, sealed.ErrPayload},
		"an endless number":      {append([]byte{1}, bytes.Repeat([]byte{0xff}, 20)...), func(r *sealed.Reader) { r.Uvarint() }, sealed.ErrPayload},
		"another kind of token":  {[]byte{1, 2, 0}, func(r *sealed.Reader) { r.Token() }, sealed.ErrPayload},
		"a token beyond the end": {[]byte{1, 1, 1, 'a', 1}, func(r *sealed.Reader) { r.Token() }, sealed.ErrPayload},
		"a fault of the caller":  {[]byte{1, 1, 1}, func(r *sealed.Reader) { r.Fail() }, sealed.ErrPayload},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := sealed.NewReader(test.payload)
			test.read(&r)
			assert.Zero(t, r.Uvarint())
			assert.Zero(t, r.Time())
			assert.Zero(t, r.Count())
			assert.Empty(t, r.Text())
			assert.Empty(t, r.Token())
			assert.Empty(t, r.Rest())
			assert.False(t, r.More())
			assert.Equal(t, test.want, r.Finish())
		})
	}
}
