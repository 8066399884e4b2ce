package cache

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/rueidis"
)

func (s *redisStore) join(ctx context.Context, node string) (memberList, error) {
	return s.list(ctx, "join", node)
}

func (s *redisStore) members(ctx context.Context) (memberList, error) {
	return s.list(ctx, "list")
}

// list runs a verb of members.lua that returns the list of nodes.
func (s *redisStore) list(ctx context.Context, verb string, nodes ...string) (memberList, error) {
	words, err := s.runMembers(ctx, verb, nodes...).AsStrSlice()
	if err != nil {
		return memberList{}, err
	}
	if len(words) < 2 {
		return memberList{}, errors.New("read the list of nodes: too short")
	}
	if other := words[0]; other != "" {
		return memberList{}, &SettingsError{Cache: s.prefix, Own: s.settings, Other: other}
	}
	lease, err := time.ParseDuration(words[1] + "ms")
	if err != nil {
		return memberList{}, fmt.Errorf("read the list of nodes: %w", err)
	}
	list := memberList{live: make(map[string]bool, len(words)/2), lease: lease}
	for i := 2; i+1 < len(words); i += 2 {
		list.live[words[i]] = words[i+1] == "1"
	}
	return list, nil
}

func (s *redisStore) renew(ctx context.Context, node string) (bool, error) {
	n, err := s.runMembers(ctx, "renew", node).AsInt64()
	return n == 1, err
}

func (s *redisStore) evict(ctx context.Context, nodes ...string) error {
	return s.runMembers(ctx, "evict", nodes...).Error()
}

func (s *redisStore) remove(ctx context.Context, nodes ...string) error {
	return s.runMembers(ctx, "remove", nodes...).Error()
}

func (s *redisStore) runMembers(ctx context.Context, verb string, nodes ...string) rueidis.RedisResult {
	args := append([]string{verb, s.settings, millis(s.lease)}, nodes...)
	return s.scripts.members.Run(ctx, s.client, []string{s.membersKey()}, args...)
}

func (s *redisStore) membersKey() string { return "tf:{" + s.prefix + "}" }
