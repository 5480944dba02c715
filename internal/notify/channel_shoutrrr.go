package notify

import (
	"context"
	"fmt"
	"mime"
	"net/url"

	"github.com/nicholas-fedor/shoutrrr/pkg/router"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"
)

// shoutrrrKinds are the services that shoutrrr speaks to for us, each with the way it takes a message. Those without an
// example are passed through as they are.
func shoutrrrKinds() []kind {
	out := []kind{
		{"slack", []string{"slack"}, "slack://hook:T0000-B0000-SECRET@webhook", viaShoutrrr(titled)},
		{"discord", []string{"discord"}, "discord://TOKEN@WEBHOOK-ID", viaShoutrrr(titled)},
		{"telegram", []string{"telegram"}, "telegram://TOKEN@telegram?chats=@name", openTelegram},
		{"email", []string{"smtp"}, "smtp://USER:PASSWORD@host:587/?from=a@example.com&to=b@example.com", viaShoutrrr(mail)},
		{"ntfy", []string{"ntfy"}, "ntfy://ntfy.sh/TOPIC", viaShoutrrr(prioritised)},
	}
	for _, name := range []string{"gotify", "mattermost", "teams", "pushover", "pushbullet", "opsgenie"} {
		out = append(out, kind{name, []string{name}, "", viaShoutrrr(titled)})
	}
	for _, name := range []string{"googlechat", "rocketchat", "pagerduty"} {
		out = append(out, kind{name, []string{name}, "", viaShoutrrr(plain)})
	}
	return out
}

// style says what text and parameters a message becomes.
type style func(*Message) (string, types.Params)

func titled(m *Message) (string, types.Params) {
	return m.Text, types.Params{"title": oneLine(m.Title)}
}

func plain(m *Message) (string, types.Params) {
	return oneLine(m.Title) + "\n\n" + m.Text, types.Params{}
}

// mail encodes the subject: shoutrrr writes it into the header as it is.
func mail(m *Message) (string, types.Params) {
	return m.Text, types.Params{"title": mime.QEncoding.Encode("utf-8", oneLine(m.Title))}
}

func prioritised(m *Message) (string, types.Params) {
	p := types.Params{"title": mime.QEncoding.Encode("utf-8", oneLine(m.Title)), "priority": "default"}
	if m.Severity == Critical && m.Status == Firing {
		p["priority"] = "high"
	}
	return m.Text, p
}

// shoutrrr sends through a service of that library. It knows neither contexts nor, everywhere, timeouts.
type shoutrrr struct {
	url     *url.URL
	style   style
	patient *patient
}

func viaShoutrrr(s style) func(*ChannelSettings, *url.URL) (channel, error) {
	return func(_ *ChannelSettings, u *url.URL) (channel, error) {
		c := &shoutrrr{url: u, style: s, patient: newPatient()}
		_, err := c.service() // it checks the URL
		return c, err
	}
}

// service makes a new one for each message: some keep the parameters of the message before. There is no logger, because what
// they log has tokens in it.
func (c *shoutrrr) service() (types.Service, error) {
	s, err := (&router.ServiceRouter{}).NewService(c.url.Scheme)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", c.url.Scheme, err)
	}
	u := *c.url
	if err := s.Initialize(&u, nil); err != nil {
		return nil, fmt.Errorf("open %s: %w", c.url.Scheme, err)
	}
	return s, nil
}

func (c *shoutrrr) send(ctx context.Context, m *Message) error {
	return c.patient.run(ctx, func() error {
		s, err := c.service()
		if err != nil {
			return err
		}
		text, params := c.style(m)
		if err := s.Send(text, &params); err != nil {
			return fmt.Errorf("%s: %w", c.url.Scheme, err)
		}
		return nil
	})
}
