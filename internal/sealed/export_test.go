package sealed

// What the tests need from inside.

const (
	MaxCookie = maxCookie
	MaxJar    = maxJar
	MaxPlain  = maxPlain
	MaxSealed = maxSealed
)

// Chunks returns how many cookies a payload of this size takes.
func (c *Cookie) Chunks(plain int) int { return c.chunks(plain) }

// ChunkName returns the name of a chunk.
func (c *Cookie) ChunkName(i int) string { return c.names[i] }
