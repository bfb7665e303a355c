package ended

// What the tests of this package see of the list in memory.

const (
	MaxEnded   = maxEnded
	MaxHints   = maxHints
	MaxKnown   = maxKnown
	MaxTokens  = maxTokens
	MaxGroups  = maxGroups
	GroupPause = groupPause
)

// Count returns how many entries the list of this process has, and how many of them are hints.
func (r *Registry) Count() (all, hints int) {
	r.local.mu.Lock()
	defer r.local.mu.Unlock()
	return r.local.count, r.local.hints
}

// CountedGroups returns how many groups the readers of the list are told of.
func (r *Registry) CountedGroups() int { return int(r.local.groups.Load()) }

// Unwritten returns how many ends wait for the store.
func (r *Registry) Unwritten() int {
	r.shared.mu.Lock()
	defer r.shared.mu.Unlock()
	return len(r.shared.unwritten)
}

// GroupEnd is the payload of the store that ends a group.
type GroupEnd = groupEnd
