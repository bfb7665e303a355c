package oxd_test

// The file of a registration and its lock.

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.com/oxdauth/oxd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// assertNoLeftovers checks that nothing but the file and its lock is there.
func assertNoLeftovers(t *testing.T, file string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(file))
	require.NoError(t, err)
	for _, e := range entries {
		assert.Contains(t, []string{filepath.Base(file), filepath.Base(file) + ".lock"}, e.Name())
	}
}

func TestExistingFileIsMadePrivate(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	site := siteWithFile(t)
	_, err := newClient(t, f.transport(), site).Register(t.Context())
	require.NoError(t, err)
	require.NoError(t, os.Chmod(site.File, 0o644))
	_, err = newClient(t, f.transport(), site).Register(t.Context())
	require.NoError(t, err)
	info, err := os.Stat(site.File)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestFileThatCannotBeUnderstoodIsLeftAlone(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"empty":           "",
		"cut":             `{"version":1,"oxd_id":"si`,
		"not JSON":        "oxd_id=site-1",
		"no id":           `{"version":1}`,
		"other version":   `{"version":2,"oxd_id":"site-1"}`,
		"no version":      `{"oxd_id":"site-1"}`,
		"something after": `{"version":1,"oxd_id":"site-1"}{}`,
		"wrong kinds":     `{"version":1,"oxd_id":5}`,
		"too long":        `{"version":1,"oxd_id":"` + strings.Repeat("x", 1<<20) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			site := siteWithFile(t)
			require.NoError(t, os.WriteFile(site.File, []byte(content), 0o600))
			_, err := authorize(t, newClient(t, f.transport(), site))
			require.ErrorContains(t, err, "cannot be understood")
			require.ErrorContains(t, err, site.File)
			assert.Zero(t, f.count("register_site"))
			got, err := os.ReadFile(site.File)
			require.NoError(t, err)
			assert.Equal(t, content, string(got))
		})
	}
}

func TestPlacesWhereNoFileCanBe(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	site := siteWithFile(t)
	site.File = filepath.Join(filepath.Dir(site.File), "missing", "site.json")
	_, err := newClient(t, f.transport(), site).Register(t.Context())
	require.ErrorIs(t, err, os.ErrNotExist)

	site.File = t.TempDir() // a directory
	_, err = newClient(t, f.transport(), site).Register(t.Context())
	require.ErrorContains(t, err, "not a regular file")
	assert.Zero(t, f.count("register_site"), "no client is made that could not be kept")
}

func TestRegistrationThatCouldNotBeKeptIsNotMadeAgain(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	site := siteWithFile(t)
	f.on("register_site", func(params) answer {
		// The place of the file is taken while oxd registers.
		if err := os.Mkdir(site.File, 0o700); err != nil {
			return unexplained
		}
		return answer{data: params{"oxd_id": "site-1"}}
	})
	c := newClient(t, f.transport(), site)
	_, err := authorize(t, c)
	require.ErrorContains(t, err, "keeping the registration")
	assertNoLeftovers(t, site.File)
	require.NoError(t, os.Remove(site.File))
	_, err = authorize(t, c)
	require.NoError(t, err)
	assert.Equal(t, 1, f.count("register_site"))
	reg, err := newClient(t, f.transport(), site).Register(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "site-1", reg.OxdID)
}

func TestManyCallersAndClientsRegisterOnce(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.numberSites()
	site := siteWithFile(t)
	var wg sync.WaitGroup
	for range 4 { // each as another process would
		c := newClient(t, f.transport(), site)
		for range 8 {
			wg.Go(func() {
				_, err := authorize(t, c)
				assert.NoError(t, err)
			})
		}
	}
	wg.Wait()
	assert.Equal(t, 1, f.count("register_site"))
	for _, p := range f.sent("get_authorization_url") {
		assert.Equal(t, "site-1", p["oxd_id"])
	}
}

func TestLeftoverLockFileIsNoObstacle(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	site := siteWithFile(t)
	require.NoError(t, os.WriteFile(site.File+".lock", []byte("4711"), 0o600))
	_, err := newClient(t, f.transport(), site).Register(t.Context())
	require.NoError(t, err)
}

func TestLockHeldByAnotherProcessIsWaitedForOnlySoLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		finish := make(chan struct{})
		hanging := scripted(func(context.Context, *oxd.Request) (*oxd.Response, error) {
			<-finish
			return ok(`{"oxd_id":"o"}`), nil
		})
		site := siteWithFile(t)
		holder, waiter := newClient(t, hanging, site), newClient(t, hanging, site)
		var held sync.WaitGroup
		held.Go(func() {
			_, err := holder.Register(t.Context())
			assert.NoError(t, err)
		})
		synctest.Wait()
		start := time.Now()
		_, err := waiter.Register(t.Context())
		require.ErrorContains(t, err, "another process holds")
		assert.Equal(t, 30*time.Second, time.Since(start))
		close(finish)
		held.Wait()
		reg, err := waiter.Register(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "o", reg.OxdID)
	})
}
