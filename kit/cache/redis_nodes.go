package cache

import (
	"context"
	"errors"
	"fmt"
	"strings"
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
	list := newMemberList(lease)
	for i := 2; i+1 < len(words); i += 2 {
		renewed, evicted := strings.CutPrefix(words[i+1], "-")
		list.add(words[i], renewed, !evicted)
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

func invalidationChannel(prefix string) string { return "tf:" + prefix + ":inv" }
func ackChannel(prefix, node string) string    { return "tf:" + prefix + ":ack:" + node }

func (s *redisStore) publish(ctx context.Context, channel, message string) error {
	return s.client.Do(ctx, s.client.B().Publish().Channel(channel).Message(message).Build().Pin()).Error()
}

// subscribe uses a dedicated connection. On a shared connection the client would leave subscriptions behind. If the
// connection broke, the client would also connect again without notice, and messages would be lost.
func (s *redisStore) subscribe(
	ctx context.Context, channels []string, up func(), message func(channel, text string),
) error {
	conn, release := s.client.Dedicate()
	defer release()
	defer conn.Close()
	confirmed := 0
	broken := conn.SetPubSubHooks(rueidis.PubSubHooks{
		OnSubscription: func(e rueidis.PubSubSubscription) {
			if e.Kind != "subscribe" {
				return
			}
			if confirmed++; confirmed == len(channels) {
				up()
			}
		},
		OnMessage: func(m rueidis.PubSubMessage) { message(m.Channel, m.Message) },
	})
	if err := conn.Do(ctx, conn.B().Subscribe().Channel(channels...).Build().Pin()).Error(); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case err := <-broken:
		if err == nil {
			err = errors.New("the server closed the connection")
		}
		return fmt.Errorf("receive invalidations: %w", err)
	}
}

func (s *redisStore) storeAck(ctx context.Context, writer, ack string) error {
	return s.scripts.acks.Run(ctx, s.client, []string{s.acksKey(writer)}, "add", ack, millis(storedAckTTL)).Error()
}

func (s *redisStore) takeAcks(ctx context.Context, writer string) ([]string, error) {
	return s.scripts.acks.Run(ctx, s.client, []string{s.acksKey(writer)}, "take").AsStrSlice()
}

func (s *redisStore) acksKey(writer string) string { return s.membersKey() + "ack:" + writer }
