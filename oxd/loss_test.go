package oxd_test

// Sites that oxd has lost, and registrations that fail.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/oxdauth/oxd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// only lets oxd know one site; about others it answers as told.
func (f *fake) only(id string, unknown answer) {
	f.on("get_authorization_url", func(p params) answer {
		if p["oxd_id"] != id {
			return unknown
		}
		return answer{data: params{"authorization_url": "https://idp.example.org/" + id}}
	})
	f.on("get_tokens_by_code", func(p params) answer {
		if p["oxd_id"] != id {
			return unknown
		}
		return unexplained
	})
}

func TestSiteThatOxdHasForgottenIsRegisteredAnew(t *testing.T) {
	t.Parallel()
	for name, unknown := range map[string]answer{
		"with redis":   {code: oxd.CodeInvalidOxdID, desc: "Invalid oxd_id."},
		"with storage": unexplained,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			f.numberSites()
			f.reply("uma_rs_protect", answer{data: params{}})
			site := siteWithFile(t)
			c := newClient(t, f.transport(), site)
			_, err := authorize(t, c)
			require.NoError(t, err)
			f.only("site-2", unknown)
			u, err := authorize(t, c)
			require.NoError(t, err)
			assert.Equal(t, "https://idp.example.org/site-2", u)
			reg, err := c.Register(t.Context())
			require.NoError(t, err)
			assert.Equal(t, "site-1", reg.Replaced)

			kept, err := newClient(t, f.transport(), site).Register(t.Context())
			require.NoError(t, err)
			assert.Equal(t, reg, kept)

			// Lost again at once: that is not normal, and not repeated for ever.
			f.only("site-3", unknown)
			_, err = authorize(t, c)
			require.Error(t, err)
			assert.Equal(t, 2, f.count("register_site"))
		})
	}
}

func TestCommandOfTheLostSiteIsNotSentToTheNewOne(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.numberSites()
	c := newClient(t, f.transport(), oxd.Site{Params: siteParams()})
	_, err := authorize(t, c)
	require.NoError(t, err)
	f.only("site-2", answer{code: oxd.CodeInvalidOxdID})
	_, err = c.TokensByCode(t.Context(), "c", "s")
	require.ErrorIs(t, err, oxd.CodeInvalidOxdID)
	require.ErrorContains(t, err, "registered anew")
	assert.Equal(t, 1, f.count("get_tokens_by_code"))
	assert.Equal(t, 2, f.count("register_site"))
	_, err = authorize(t, c)
	require.NoError(t, err)
}

func TestInternalErrorAloneDoesNotCostARegistration(t *testing.T) {
	t.Parallel()
	unreachable := answer{code: oxd.CodeNoConnectDiscoveryResponse}
	for _, tc := range []struct {
		name  string
		setup func(f *fake)
	}{
		{"the site works otherwise", func(*fake) {}},
		{"the provider cannot be reached", func(f *fake) { f.reply("get_authorization_url", unreachable) }},
		{"oxd is unwell", func(f *fake) {
			f.reply("get_authorization_url", unexplained)
			f.reply("license_status", unexplained)
		}},
		{"oxd is gone by then", func(f *fake) {
			f.reply("get_authorization_url", unexplained)
			f.reply("license_status", answer{hangUp: true})
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			f.numberSites()
			f.reply("get_tokens_by_code", unexplained)
			c := newClient(t, f.transport(), siteWithFile(t))
			_, err := authorize(t, c)
			require.NoError(t, err)
			tc.setup(f)
			for range 5 {
				_, err = c.TokensByCode(t.Context(), "c", "s")
				require.ErrorIs(t, err, oxd.CodeInternalError)
			}
			assert.Equal(t, 1, f.count("register_site"))
			assert.Equal(t, 2, f.count("get_authorization_url"), "looked for once a minute at most")
		})
	}
}

func TestNewSiteThatNeverWorkedIsNotReplaced(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.numberSites()
	f.reply("get_authorization_url", unexplained)
	c := newClient(t, f.transport(), oxd.Site{Params: siteParams()})
	for range 3 {
		_, err := authorize(t, c)
		require.ErrorIs(t, err, oxd.CodeInternalError)
	}
	assert.Equal(t, 1, f.count("register_site"))
}

func TestRegisterLooksWhetherOxdStillKnowsTheSite(t *testing.T) {
	t.Parallel()
	site := siteWithFile(t)
	f := newFake(t)
	_, err := newClient(t, f.transport(), site).Register(t.Context())
	require.NoError(t, err)

	f = newFake(t) // oxd with another storage
	f.reply("register_site", answer{data: params{"oxd_id": "site-2"}})
	f.only("site-2", unexplained)
	reg, err := newClient(t, f.transport(), site).Register(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "site-2", reg.OxdID)
	assert.Equal(t, "site-1", reg.Replaced)

	f.reply("get_authorization_url", answer{hangUp: true})
	_, err = newClient(t, f.transport(), site).Register(t.Context())
	require.ErrorIs(t, err, oxd.ErrUnavailable)

	f.reply("get_authorization_url", answer{code: oxd.CodeNoConnectDiscoveryResponse})
	_, err = newClient(t, f.transport(), site).Register(t.Context())
	require.NoError(t, err, "not a matter of the site")
}

func TestUpdateOfAForgottenSiteRegistersItAnew(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.numberSites()
	site := siteWithFile(t)
	_, err := newClient(t, f.transport(), site).Register(t.Context())
	require.NoError(t, err)
	f.only("site-2", unexplained)
	f.reply("update_site_registration", unexplained)
	site.Params.Scope = []string{"openid"}
	reg, err := newClient(t, f.transport(), site).Register(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "site-2", reg.OxdID)
}

func TestAnotherProcessThatWasFasterIsFollowed(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.numberSites()
	site := siteWithFile(t)
	slow, fast := newClient(t, f.transport(), site), newClient(t, f.transport(), site)
	for _, c := range []*oxd.Client{slow, fast} {
		_, err := authorize(t, c)
		require.NoError(t, err)
	}
	f.only("site-2", answer{code: oxd.CodeInvalidOxdID})
	for _, c := range []*oxd.Client{fast, slow} {
		u, err := authorize(t, c)
		require.NoError(t, err)
		assert.Equal(t, "https://idp.example.org/site-2", u)
	}
	assert.Equal(t, 2, f.count("register_site"))
}

func TestExpiredCredentialsLeadToANewRegistration(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		setups := 0
		c := newClient(t, scripted(func(_ context.Context, req *oxd.Request) (*oxd.Response, error) {
			switch req.Command {
			case "setup_client":
				setups++
				data, err := json.Marshal(params{
					"oxd_id": fmt.Sprintf("site-%d", setups), "client_id": "c", "client_secret": "s",
					"client_secret_expires_at": time.Now().Add(24 * time.Hour).Unix(),
				})
				return ok(string(data)), err
			case "get_client_token":
				return ok(`{"access_token":"t","expires_in":299}`), nil
			}
			return ok(`{"authorization_url":"https://idp.example.org/"}`), nil
		}), oxd.Site{Params: siteParams(), Protected: true})
		for range 3 {
			_, err := authorize(t, c)
			require.NoError(t, err)
			time.Sleep(11 * time.Hour)
		}
		reg, err := c.Register(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 2, setups)
		assert.Equal(t, "site-2", reg.OxdID)
		assert.Equal(t, "site-1", reg.Replaced)
	})
}

func TestFailedRegistrationsAreSpacedOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		var fail error
		c := newClient(t, scripted(func(_ context.Context, req *oxd.Request) (*oxd.Response, error) {
			if req.Command == "register_site" {
				tries++
				if fail != nil {
					return nil, fail
				}
				return ok(`{"oxd_id":"o"}`), nil
			}
			return ok(`{"authorization_url":"https://idp.example.org/"}`), nil
		}), oxd.Site{Params: siteParams()})
		try := func() error { _, err := authorize(t, c); return err }

		fail = &oxd.TransportError{Command: "register_site", Err: errors.New("refused")}
		for range 10 {
			require.ErrorIs(t, try(), oxd.ErrUnavailable)
		}
		assert.Equal(t, 10, tries, "what never got there may be tried at once")

		tries = 0
		fail = &oxd.TransportError{Command: "register_site", Sent: true, Err: errors.New("cut")}
		begin := time.Now()
		for time.Since(begin) < 10*time.Minute {
			require.ErrorIs(t, try(), oxd.ErrUnavailable)
			time.Sleep(500 * time.Millisecond)
		}
		assert.Equal(t, 16, tries, "two at once, then after 1, 2, 4 ... 60 s")

		fail = nil
		time.Sleep(time.Minute)
		require.NoError(t, try())
	})
}

func TestOxdThatIsAbsentAtTheStartIsFoundLater(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	var down atomic.Bool
	down.Store(true)
	tr := f.transport()
	tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if down.Load() {
			return nil, errors.New("refused")
		}
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
	c := newClient(t, tr, siteWithFile(t))
	for range 3 {
		_, err := authorize(t, c)
		require.ErrorIs(t, err, oxd.ErrUnavailable)
	}
	down.Store(false)
	_, err := authorize(t, c)
	require.NoError(t, err)
}

func TestLostSiteIsReplacedOnceAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sites := 0
		forgetting := false
		c := newClient(t, scripted(func(_ context.Context, req *oxd.Request) (*oxd.Response, error) {
			switch {
			case req.Command == "register_site":
				sites++
				return ok(fmt.Sprintf(`{"oxd_id":"site-%d"}`, sites)), nil
			case forgetting:
				return &oxd.Response{Status: "error", Data: json.RawMessage(`{"error":"invalid_oxd_id"}`)}, nil
			}
			return ok(`{"authorization_url":"https://idp.example.org/"}`), nil
		}), oxd.Site{Params: siteParams()})
		_, err := authorize(t, c)
		require.NoError(t, err)
		forgetting = true
		for range 300 {
			_, err := authorize(t, c)
			require.ErrorIs(t, err, oxd.CodeInvalidOxdID)
			time.Sleep(time.Second)
		}
		assert.Equal(t, 1+5, sites)
	})
}
