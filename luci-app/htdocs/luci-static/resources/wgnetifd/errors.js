'use strict';
'require baseclass';

/* What the codes mean that netifd keeps as errors of an interface, in words that
 * say what to do. The codes are those of internal/apply/failure.go; a test holds
 * the two together. netifd keeps an error until the interface starts again. */

return baseclass.extend({
	TEXTS: {
		CONFIG_UNREADABLE: _('The network configuration cannot be read; the system log names the line'),
		NO_SUCH_INTERFACE: _('The interface is not in the configuration any more, or is no WireGuard interface'),
		INVALID_OPTION: _('An option of the interface is not right; Status → WireGuard names it'),
		INVALID_PEER: _('A peer is left out because an option of it is not right; Status → WireGuard names both'),
		NO_PRIVATE_KEY: _('The interface has no private key, and none can be saved: generate one here'),
		NO_WIREGUARD: _('The system has no WireGuard: install kmod-wireguard'),
		PERMISSION_DENIED: _('The program that sets the interface up does not run as root'),
		DEVICE_FAILED: _('The system refused a setting; the system log says which'),
		ENDPOINT_UNRESOLVED: _('The name of an endpoint has no address yet; it is asked for again'),
		ENDPOINT_UNREACHABLE: _('No route leads to an endpoint past the tunnel; the WAN may be down'),
		MORE_PROBLEMS: _('There are more problems; Status → WireGuard shows all')
	}
});
