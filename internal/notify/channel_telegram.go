package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"controlcenter/internal/lazy"
)

// telegram calls the Bot API itself: shoutrrr 0.13.2 takes a network that is down for a success (its SendMessage returns no
// error when there was no answer to read), and a message would be lost. The form of the URL is shoutrrr's.
type telegram struct {
	api, token string
	chats      []string
	silent     bool
	client     *http.Client
}

var telegramToken = lazy.Regexp(`^[0-9]+:[A-Za-z0-9_-]+$`)

// openTelegram reads telegram://TOKEN@telegram?chats=@name,-1001234; api names another Bot API server.
func openTelegram(_ *ChannelSettings, u *url.URL) (channel, error) {
	t := &telegram{api: "https://api.telegram.org", client: newHTTPClient()}
	if u.User != nil {
		password, _ := u.User.Password()
		t.token = u.User.Username() + ":" + password
	}
	if !telegramToken().MatchString(t.token) {
		return nil, errors.New("has no bot token; accepted: telegram://TOKEN@telegram?chats=@name,-1001234")
	}
	for key, values := range u.Query() {
		switch key {
		case "chats", "channels":
			for c := range strings.SplitSeq(values[0], ",") {
				if c = strings.TrimSpace(c); c != "" {
					t.chats = append(t.chats, c)
				}
			}
		case "notification":
			t.silent = strings.EqualFold(values[0], "no") || values[0] == "false"
		case "api":
			a, err := url.Parse(values[0])
			if err != nil || a.Host == "" || a.Scheme != "http" && a.Scheme != "https" {
				return nil, errors.New("api is no URL; accepted: http://host:port")
			}
			t.api = strings.TrimRight(a.String(), "/")
		default:
			return nil, fmt.Errorf("unknown parameter %q; accepted: chats, notification, api", clip(key, 30))
		}
	}
	if len(t.chats) == 0 {
		return nil, errors.New("names no chats; accepted: telegram://TOKEN@telegram?chats=@name,-1001234")
	}
	return t, nil
}

func (t *telegram) send(ctx context.Context, m *Message) error {
	var errs []error
	for _, chat := range t.chats {
		body, err := json.Marshal(map[string]any{"chat_id": chat, "text": m.Title + "\n\n" + m.Text, "disable_notification": t.silent, "link_preview_options": map[string]bool{"is_disabled": true}})
		if err != nil {
			return fmt.Errorf("encode the message: %w", err)
		}
		errs = append(errs, post(ctx, t.client, t.api+"/bot"+t.token+"/sendMessage", http.Header{"Content-Type": {"application/json"}}, body))
	}
	return errors.Join(errs...)
}
