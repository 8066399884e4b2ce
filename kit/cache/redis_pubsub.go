package cache

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/rueidis"
)

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
