package redisstore_test

// The Redis under test: a real server on a socket of its own, which can be killed and started
// again.

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	logging.Disable() // that a killed Redis cannot be dialled is no news
	m.Run()
}

type server struct {
	t      *testing.T
	dir    string
	cmd    *exec.Cmd
	client *redis.Client
}

// newServer starts Redis; it ends with the test. Without Redis the test is skipped, unless it is
// required to run.
func newServer(t *testing.T) *server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("OXDAUTH_REDIS_TESTS") == "require" {
			t.Fatal("OXDAUTH_REDIS_TESTS=require, and no redis-server in PATH")
		}
		t.Skip("no redis-server in PATH")
	}
	dir, err := os.MkdirTemp("", "redis") // t.TempDir is too long for the name of a socket
	require.NoError(t, err)
	s := &server{t: t, dir: dir}
	s.client = s.newClient()
	t.Cleanup(func() {
		s.stop()
		require.NoError(t, os.RemoveAll(dir))
	})
	s.start()
	return s
}

// newClient connects as one replica does.
func (s *server) newClient() *redis.Client {
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: filepath.Join(s.dir, "socket")})
	s.t.Cleanup(func() { require.NoError(s.t, client.Close()) })
	return client
}

// start starts the server with the data it had when it was stopped.
func (s *server) start() {
	s.t.Helper()
	s.cmd = exec.Command("redis-server", "--port", "0", "--unixsocket", filepath.Join(s.dir, "socket"), "--dir", s.dir,
		"--save", "", "--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction")
	require.NoError(s.t, s.cmd.Start())
	require.Eventually(s.t, func() bool { return s.client.Ping(context.Background()).Err() == nil }, 30*time.Second, 20*time.Millisecond)
}

// stop kills the server, without a chance to tidy up.
func (s *server) stop() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait() // it was killed
	s.cmd = nil
}

// dump returns every key with its value, readable or not.
func (s *server) dump() map[string]string {
	s.t.Helper()
	all := map[string]string{}
	keys, err := s.client.Keys(s.t.Context(), "*").Result()
	require.NoError(s.t, err)
	for _, key := range keys {
		all[key], err = s.client.Get(s.t.Context(), key).Result()
		require.NoError(s.t, err)
	}
	return all
}
