package uma

// What the tests see of the inside.

var NewGrantKey = newGrantKey

// Len returns how many grants are kept.
func (g *Grants) Len() int {
	n := 0
	for i := range g.shards {
		n += len(g.shards[i].entries)
	}
	return n
}

// Shards returns into how many lists the grants are divided.
func (g *Grants) Shards() int { return len(g.shards) }
