package uma

// Registering the declared resources with oxd, once: oxd 3.1.1 appends what it is sent, and the
// first registration of a path and method goes on deciding.

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"example.com/oxdauth/internal/files"
	"example.com/oxdauth/oxd"
)

const (
	maxProtectBytes = 6000             // of one command: well below the 9,999 characters oxd reads
	probeTimeout    = 10 * time.Second // for one resource; for the first one oxd fetches its own token
)

// Site is where the resources have been registered.
type Site struct {
	OxdID string
	ASURI string // as_uri: the issuer that clients are sent to
}

// Registrar registers resources for one site. The exported fields must be set before the first call
// and must not change afterwards. A Registrar is safe for concurrent use.
type Registrar struct {
	Client *oxd.Client  // for the site; required
	ASURI  string       // as_uri; "": the op_host of the site
	File   string       // where the record is kept; "": in memory
	Logger *slog.Logger // required

	mu    sync.Mutex // held during Protect, for up to a command for each resource; guards known
	known record     // without a file: what the last Protect has left
}

// Protect makes oxd protect all declared resources, marks them as protected and returns the site.
// One call runs at a time. It also waits, up to half a minute, for other processes that use the
// same File.
//
// It returns all problems with the declarations at once, before oxd is contacted. What the record
// has for the same oxd_id is not registered again. oxd is asked about a resource that is not in the
// record (one ticket each); it does not return scopes, so a resource that it protects already is
// accepted with a warning in the log. With oxd 3.1, changed scopes and resources that are not
// declared any more are an error. With oxd 4, every difference has everything registered anew.
func (g *Registrar) Protect(ctx context.Context, declared *Declared) (Site, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	list := declared.all()
	if err := check(list); err != nil {
		return Site{}, err
	}
	reg, err := g.Client.Register(ctx)
	if err != nil {
		return Site{}, fmt.Errorf("oxdauth: Protect: %w", err)
	}
	site := Site{OxdID: reg.OxdID, ASURI: g.ASURI}
	if site.ASURI == "" {
		site.ASURI = reg.OPHost
	}
	if err := CheckASURI(site.ASURI); err != nil {
		return Site{}, fmt.Errorf("%w: use WithAuthorizationServer", err)
	}
	if g.File != "" {
		unlock, err := files.Lock(ctx, g.File+".lock")
		if err != nil {
			return Site{}, fmt.Errorf("oxdauth: protection file: %w", err)
		}
		defer unlock()
	}
	known, err := g.load(reg.OxdID)
	if err != nil {
		return Site{}, err
	}
	if err := g.reconcile(ctx, known, list); err != nil {
		return Site{}, err
	}
	if again, err := g.Client.Register(ctx); err != nil || again.OxdID != reg.OxdID {
		return Site{}, errors.Join(errors.New("oxdauth: Protect: the site was registered anew meanwhile; call it again"), err)
	}
	for _, r := range list {
		r.missing.Store(false)
		key := newGrantKey(g.Client.Audience(), site.OxdID, site.ASURI, r.Path, r.Method)
		r.protected.Store(&key)
	}
	return site, nil
}

// reconcile makes oxd protect what is declared. oxd 4 can replace everything, oxd 3.1.1 can only
// add.
func (g *Registrar) reconcile(ctx context.Context, known record, list []*Resource) error {
	list = distinct(list)
	conflict := known.compare(list)
	var unprotected []*Resource
	if conflict == nil {
		var err error
		if unprotected, err = g.unprotected(ctx, known, list); err != nil {
			return err
		}
		if len(unprotected) == 0 {
			return g.save(known)
		}
	}
	err := g.Client.ReplaceResources(ctx, byPath(list))
	switch {
	case errors.Is(err, oxd.ErrUnsupported) && conflict != nil:
		return conflict
	case errors.Is(err, oxd.ErrUnsupported):
		err = g.append(ctx, known, unprotected)
		if !errors.Is(err, oxd.CodeUMAProtectionExists) {
			return err
		}
		// Only oxd 3.1.3 and later answer so, and they can overwrite.
		if err = g.Client.Do(ctx, "uma_rs_protect", overwrite{byPath(list), true}, nil); err != nil {
			return fmt.Errorf("oxdauth: Protect: %w", err)
		}
	case err != nil:
		return fmt.Errorf("oxdauth: Protect: %w", err)
	}
	if len(known.Resources) > 0 {
		g.Logger.WarnContext(ctx, "oxdauth: all resources were registered anew; RPTs from before open nothing any more", "resources", len(list))
		clear(known.Resources)
	}
	known.add(list)
	return g.save(known)
}

type overwrite struct {
	Resources []oxd.Resource `json:"resources"`
	Overwrite bool           `json:"overwrite"`
}

// distinct leaves out resources that are equal in path and method to an earlier one.
func distinct(all []*Resource) []*Resource {
	seen := map[string]bool{}
	var list []*Resource
	for _, r := range all {
		if !seen[r.Key()] {
			seen[r.Key()] = true
			list = append(list, r)
		}
	}
	return list
}

// unprotected returns the resources that oxd does not protect. It enters into the record those that
// oxd does protect.
func (g *Registrar) unprotected(ctx context.Context, known record, list []*Resource) ([]*Resource, error) {
	var missing []*Resource
	for _, r := range list {
		_, recorded := known.Resources[r.Key()]
		if recorded && !r.missing.Load() {
			continue
		}
		there, err := g.probe(ctx, r)
		switch {
		case err != nil:
			return nil, err
		case !there:
			missing = append(missing, r)
		case !recorded:
			g.Logger.WarnContext(ctx, "oxdauth: resource was protected before; its scopes cannot be verified", "resource", r.Key())
			known.add([]*Resource{r})
		}
	}
	return missing, nil
}

// append registers resources in commands of bounded size. It saves the record after each command,
// so that a failure half-way does not lead to a second registration.
func (g *Registrar) append(ctx context.Context, known record, list []*Resource) error {
	var batch []*Resource
	size := 0
	flush := func() error {
		if err := g.Client.ProtectResources(ctx, byPath(batch)); err != nil {
			return fmt.Errorf("oxdauth: Protect: %w", err)
		}
		known.add(batch)
		batch, size = nil, 0
		return g.save(known)
	}
	for _, r := range list {
		cost := 64 + 2*len(r.Path) + 2*len(strings.Join(r.Scopes, `","`)) + 2*len(strings.Join(r.TicketScopes, `","`))
		if size+cost > maxProtectBytes && len(batch) > 0 {
			if err := flush(); err != nil {
				return err
			}
		}
		batch, size = append(batch, r), size+cost
	}
	return flush()
}

// probe asks whether oxd protects a resource. If it does, it denies a question without RPT.
func (g *Registrar) probe(ctx context.Context, r *Resource) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	access, err := g.Client.CheckAccess(ctx, oxd.CheckAccessParams{Path: r.Path, HTTPMethod: r.Method})
	switch {
	case errors.Is(err, oxd.ErrResourceNotProtected):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("oxdauth: Protect: looking for resource %q: %w", r.Key(), err)
	case access.Granted || !ValidTicket(access.Ticket.Reveal()):
		return false, fmt.Errorf("oxdauth: Protect: looking for resource %q: oxd gave no ticket", r.Key())
	}
	return true, nil
}

// byPath returns the resources as oxd takes them: grouped by path, with one condition for each
// method. Methods in one condition would be one resource at the authorization server.
func byPath(all []*Resource) []oxd.Resource {
	var list []oxd.Resource
	for _, r := range all {
		i := slices.IndexFunc(list, func(other oxd.Resource) bool { return other.Path == r.Path })
		if i < 0 {
			i = len(list)
			list = append(list, oxd.Resource{Path: r.Path})
		}
		list[i].Conditions = append(list[i].Conditions, oxd.Condition{
			HTTPMethods: []string{r.Method}, Scopes: sorted(r.Scopes), TicketScopes: sorted(r.TicketScopes),
		})
	}
	return list
}
