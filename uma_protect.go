package oxdauth

// Registering the declared resources with oxd, once: oxd 3.1.1 appends whatever it is told, and the first registration of
// a path and method goes on deciding.

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"example.com/oxdauth/internal/files"
	"example.com/oxdauth/oxd"
)

const (
	maxProtectBytes = 6000             // of one command: well below the 9,999 characters oxd reads
	probeTimeout    = 10 * time.Second // for one resource; the first one also has oxd fetch its own token
)

// Protect registers the declared resources (uma_rs_protect; Federated Authorization for UMA 2.0 section 3.2) and makes
// their routes serve. Call it after the last declaration and before serving; again, when it has failed or [Guard.Ready]
// reports a resource that oxd has lost. Processes that share the file of [WithProtectionFile] wait for each other, up to
// half a minute; where they do not share one, let one process at a time do it.
//
// What has been registered for the same oxd_id before is not registered again. Where that is not known from
// [WithProtectionFile] or an earlier call, oxd is asked (one ticket each); it does not tell the scopes, so resources found
// that way are taken as they are, with a warning in the log. Each method of a path is a resource of its own at the
// authorization server, so that an RPT for one does not open another.
//
// It reports all problems with the declarations at once, before oxd is contacted. Scopes that have changed and resources
// that are gone are an error with oxd 3.1: it can neither change nor remove a resource, and would go on with the old scopes.
// oxd 4 is told everything anew instead, also when a resource is added, and RPTs from before open nothing then.
// Otherwise the errors are those of [oxd.Client.Register] and [oxd.Client.ProtectResources].
func (g *Guard) Protect(ctx context.Context) error {
	g.protecting.Lock()
	defer g.protecting.Unlock()
	g.mu.Lock()
	routes := slices.Clone(g.routes)
	g.mu.Unlock()
	if err := checkRoutes(routes); err != nil {
		return err
	}
	reg, err := g.client.Register(ctx)
	if err != nil {
		return fmt.Errorf("oxdauth: Protect: %w", err)
	}
	site := &guardSite{oxdID: reg.OxdID, asURI: g.settings.asURI}
	if site.asURI == "" {
		site.asURI = reg.OPHost
	}
	if err := checkASURI(site.asURI); err != nil {
		return fmt.Errorf("%w: use WithAuthorizationServer", err)
	}
	if file := g.settings.protectionFile; file != "" {
		unlock, err := files.Lock(ctx, file+".lock")
		if err != nil {
			return fmt.Errorf("oxdauth: protection file: %w", err)
		}
		defer unlock()
	}
	record, err := g.loadRecord(reg.OxdID)
	if err != nil {
		return err
	}
	if err := g.reconcile(ctx, record, routes); err != nil {
		return err
	}
	if again, err := g.client.Register(ctx); err != nil || again.OxdID != reg.OxdID {
		return errors.Join(errors.New("oxdauth: Protect: the site was registered anew meanwhile; call it again"), err)
	}
	for _, rt := range routes {
		rt.missing.Store(false)
		key := newGrantKey(g.audience, site.oxdID, site.asURI, rt.path, rt.method)
		rt.protected.Store(&key)
	}
	g.site.Store(site)
	g.cache.purge()
	return nil
}

// fingerprint identifies what oxd is told about a resource and method.
func (rt *route) fingerprint() string {
	data, _ := json.Marshal([]any{rt.method, rt.path, sorted(rt.scopes), sorted(rt.ticketScopes)}) // strings: it cannot fail
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func sorted(words []string) []string {
	words = slices.Clone(words)
	slices.Sort(words)
	return slices.Compact(words)
}

// compare reports what the declarations and the record disagree about.
func (p protectionRecord) compare(routes []*route) error {
	const wayOut = "oxd 3.1 cannot change that; restore the declaration, or give the application a new oxd_id by removing the files of its site and of its protection"
	var errs []error
	declared := map[string]bool{}
	for _, rt := range routes {
		declared[rt.key()] = true
		if was, ok := p.Resources[rt.key()]; ok && was != rt.fingerprint() {
			errs = append(errs, fmt.Errorf("oxdauth: resource %q was protected with other scopes: %s", rt.key(), wayOut))
		}
	}
	for key := range p.Resources {
		if !declared[key] {
			errs = append(errs, fmt.Errorf("oxdauth: resource %q is protected but not declared any more: %s", key, wayOut))
		}
	}
	return errors.Join(errs...)
}

// reconcile makes oxd protect what is declared. oxd 4 can be told everything anew; oxd 3.1.1 only more than before.
func (g *Guard) reconcile(ctx context.Context, record protectionRecord, routes []*route) error {
	routes = distinct(routes)
	conflict := record.compare(routes)
	var unknown []*route
	if conflict == nil {
		var err error
		if unknown, err = g.unknown(ctx, record, routes); err != nil {
			return err
		}
		if len(unknown) == 0 {
			return g.saveRecord(record)
		}
	}
	err := g.client.ReplaceResources(ctx, resources(routes))
	switch {
	case errors.Is(err, oxd.ErrUnsupported) && conflict != nil:
		return conflict
	case errors.Is(err, oxd.ErrUnsupported):
		err = g.append(ctx, record, unknown)
		if !errors.Is(err, oxd.CodeUMAProtectionExists) {
			return err
		}
		// Only oxd 3.1.3 and later answer so, and they know how to overwrite.
		if err = g.client.Do(ctx, "uma_rs_protect", overwrite{resources(routes), true}, nil); err != nil {
			return fmt.Errorf("oxdauth: Protect: %w", err)
		}
	case err != nil:
		return fmt.Errorf("oxdauth: Protect: %w", err)
	}
	if len(record.Resources) > 0 {
		g.settings.logger.WarnContext(ctx, "oxdauth: all resources were registered anew; RPTs from before open nothing any more", "resources", len(routes))
		clear(record.Resources)
	}
	for _, rt := range routes {
		record.Resources[rt.key()] = rt.fingerprint()
	}
	return g.saveRecord(record)
}

type overwrite struct {
	Resources []oxd.Resource `json:"resources"`
	Overwrite bool           `json:"overwrite"`
}

// distinct leaves out routes that share a resource and method with an earlier one.
func distinct(routes []*route) []*route {
	seen := map[string]bool{}
	var list []*route
	for _, rt := range routes {
		if !seen[rt.key()] {
			seen[rt.key()] = true
			list = append(list, rt)
		}
	}
	return list
}

// unknown gives the routes that oxd does not protect. What it does protect is entered into the record.
func (g *Guard) unknown(ctx context.Context, record protectionRecord, routes []*route) ([]*route, error) {
	var list []*route
	for _, rt := range routes {
		_, known := record.Resources[rt.key()]
		if known && !rt.missing.Load() {
			continue
		}
		there, err := g.probe(ctx, rt)
		switch {
		case err != nil:
			return nil, err
		case !there:
			list = append(list, rt)
		case !known:
			g.settings.logger.WarnContext(ctx, "oxdauth: resource was protected before; its scopes cannot be verified", "resource", rt.key())
			record.Resources[rt.key()] = rt.fingerprint()
		}
	}
	return list, nil
}

// append registers resources in commands of bounded size. The record is kept after each, so that a failure half-way
// registers nothing twice.
func (g *Guard) append(ctx context.Context, record protectionRecord, routes []*route) error {
	var batch []*route
	size := 0
	flush := func() error {
		if err := g.client.ProtectResources(ctx, resources(batch)); err != nil {
			return fmt.Errorf("oxdauth: Protect: %w", err)
		}
		for _, rt := range batch {
			record.Resources[rt.key()] = rt.fingerprint()
		}
		batch, size = nil, 0
		return g.saveRecord(record)
	}
	for _, rt := range routes {
		cost := 64 + 2*len(rt.path) + 2*len(strings.Join(rt.scopes, `","`)) + 2*len(strings.Join(rt.ticketScopes, `","`))
		if size+cost > maxProtectBytes && len(batch) > 0 {
			if err := flush(); err != nil {
				return err
			}
		}
		batch, size = append(batch, rt), size+cost
	}
	return flush()
}

// probe asks whether oxd knows a resource and method. A denial is the answer to a question without RPT.
func (g *Guard) probe(ctx context.Context, rt *route) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	access, err := g.client.CheckAccess(ctx, oxd.CheckAccessParams{Path: rt.path, HTTPMethod: rt.method})
	switch {
	case errors.Is(err, oxd.ErrResourceNotProtected):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("oxdauth: Protect: looking for resource %q: %w", rt.key(), err)
	case access.Granted || !validTicket(access.Ticket.Reveal()):
		return false, fmt.Errorf("oxdauth: Protect: looking for resource %q: oxd gave no ticket", rt.key())
	}
	return true, nil
}

// resources groups by path, with one condition per method: methods in one condition would be one resource at the
// authorization server.
func resources(routes []*route) []oxd.Resource {
	var list []oxd.Resource
	for _, rt := range routes {
		i := slices.IndexFunc(list, func(r oxd.Resource) bool { return r.Path == rt.path })
		if i < 0 {
			i = len(list)
			list = append(list, oxd.Resource{Path: rt.path})
		}
		list[i].Conditions = append(list[i].Conditions, oxd.Condition{
			HTTPMethods: []string{rt.method}, Scopes: sorted(rt.scopes), TicketScopes: sorted(rt.ticketScopes),
		})
	}
	return list
}
