package uma

// Getting an RPT for a person: the exchange of a permission ticket (UMA 2.0 Grant section 3.3.1)
// and the URL at which the authorization server asks the person for claims (sections 3.3.2 and
// 3.3.3).

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"example.com/oxdauth/internal/web"
	"example.com/oxdauth/oxd"
)

const minState = 22 // characters: 128 bits in base64; oxd sends 130 bits in about 26

var (
	// ErrRefused is the error when a ticket leads neither to an RPT nor to claims gathering.
	ErrRefused = errors.New("oxdauth: no RPT for this ticket")

	errGatheringURL = errors.New("oxdauth: oxd answered an unusable claims gathering URL")
)

// idTokenFormat names ID tokens as claim tokens (UMA 2.0 Grant section 3.3.1).
const idTokenFormat = "http://openid.net/specs/openid-connect-core-1_0.html#IDToken"

// Exchange is what an RPT is asked for with.
type Exchange struct {
	Ticket  oxd.Secret        // a permission ticket; required
	PCT     string            // the persisted claims token of an earlier exchange, if there was one
	State   string            // of the claims gathering that the ticket comes from
	IDToken func() oxd.Secret // called when the authorization server wants an ID token
}

// Exchanged is the result of an exchange: an RPT, or the ticket to gather claims with.
type Exchanged struct {
	RPT    RPT
	PCT    string     // to be kept with the RPT: a new one, or that of the exchange
	Gather oxd.Secret // the zero Secret if there is an RPT
}

// Exchange gets an RPT for a ticket (uma_rp_get_rpt). When the authorization server wants claims
// and takes ID tokens, the ID token is pushed, once. Tickets are used once: each answer has to
// bring another one (UMA 2.0 Grant section 5.5). Errors are [ErrRefused], those of
// [oxd.Client.RPT] and the limits of the Asker.
func (a *Asker) Exchange(ctx context.Context, with Exchange) (Exchanged, error) {
	p := oxd.RPTParams{Ticket: with.Ticket, PCT: oxd.NewSecret(with.PCT), State: with.State}
	for {
		var got *oxd.RPT
		err := a.call(ctx, func(ctx context.Context) (err error) {
			got, err = a.client.RPT(ctx, p)
			return err
		})
		if err == nil {
			return newExchanged(got, with.PCT)
		}
		var answered *oxd.Error
		if !errors.As(err, &answered) || answered.NeedInfo == nil {
			return Exchanged{}, err
		}
		need := answered.NeedInfo
		if !ValidTicket(need.Ticket.Reveal()) || need.Ticket.Equal(p.Ticket) {
			return Exchanged{}, ErrRefused
		}
		p.Ticket = need.Ticket
		if p.ClaimToken.IsZero() && slices.ContainsFunc(need.RequiredClaims, takesIDToken) {
			if p.ClaimToken = with.IDToken(); !p.ClaimToken.IsZero() {
				p.ClaimTokenFormat = idTokenFormat
				continue
			}
		}
		if need.RedirectUser == "" {
			return Exchanged{}, ErrRefused
		}
		return Exchanged{Gather: need.Ticket}, nil
	}
}

func takesIDToken(c oxd.RequiredClaim) bool {
	return slices.Contains(c.ClaimTokenFormats, idTokenFormat)
}

func newExchanged(got *oxd.RPT, pct string) (Exchanged, error) {
	rpt, err := ParseRPT(got.AccessToken.Reveal())
	if err != nil {
		return Exchanged{}, ErrRefused
	}
	if newer := got.PCT.Reveal(); ValidTicket(newer) {
		pct = newer
	}
	return Exchanged{RPT: rpt, PCT: pct}, nil
}

// GatheringURL returns the URL at which a person answers the questions of the authorization server,
// and the state that the browser brings back to the address back
// (uma_rp_get_claims_gathering_url). A URL that would not bring back that state, or leads back
// elsewhere, is an error. Other errors are those of [oxd.Client.ClaimsGatheringURL] and the limits
// of the Asker.
func (a *Asker) GatheringURL(ctx context.Context, ticket oxd.Secret, back string) (*oxd.ClaimsGathering, error) {
	var answer *oxd.ClaimsGathering
	err := a.call(ctx, func(ctx context.Context) (err error) {
		answer, err = a.client.ClaimsGatheringURL(ctx, oxd.ClaimsGatheringParams{Ticket: ticket, ClaimsRedirectURI: back})
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := checkGatheringURL(answer, back); err != nil {
		return nil, err
	}
	return answer, nil
}

func checkGatheringURL(answer *oxd.ClaimsGathering, back string) error {
	u, err := web.AbsoluteURL(answer.URL)
	if err != nil {
		return fmt.Errorf("%w: not an absolute http(s) URL", errGatheringURL)
	}
	q := u.Query()
	switch {
	case len(answer.State) < minState:
		return fmt.Errorf("%w: its state is too short to be unguessable", errGatheringURL)
	case !slices.Equal(q["state"], []string{answer.State}):
		return fmt.Errorf("%w: its state is another", errGatheringURL)
	case !slices.Equal(q["claims_redirect_uri"], []string{back}):
		return fmt.Errorf("%w: it leads back elsewhere", errGatheringURL)
	}
	return nil
}
