'use strict';
'require baseclass';
'require wgnetifd.format as format';
'require wgnetifd.rows as rows';
'require wgnetifd.state as state';

/* The interfaces at the head of the monitoring page. A card is made once and
 * changed in place, so that what one reads or points at stays where it is. */

function put(node, text) {
	if (node.textContent !== text)
		node.textContent = text;

	node.style.display = (text === '') ? 'none' : '';
}

/* bar shows how many peers are in which state. */
function bar(node, counts, total) {
	const key = JSON.stringify(counts || {});

	if (node.dataset.counts === key)
		return;

	node.dataset.counts = key;

	while (node.firstChild)
		node.removeChild(node.firstChild);

	const words = [];

	for (let name of state.PEERS) {
		const n = (counts || {})[name];

		if (!n)
			continue;

		words.push('%d %s'.format(n, state.peer(name).word));
		node.appendChild(E('span', { 'class': 'wgn-' + state.peer(name).colour, 'style': 'flex:%d'.format(n) }));
	}

	node.setAttribute('aria-label', words.join(', '));
	node.title = words.join(', ');
	node.style.display = total ? '' : 'none';
}

/* actions: { choose(name), problems(iface), spark(slot, of) }. */
function card(actions) {
	let shown = null;

	const part = {
		name: E('h4'), state: E('span', { 'class': 'wgn-state' }), sentence: E('div', { 'class': 'wgn-under wgn-sentence' }),
		addresses: E('div', { 'class': 'wgn-addresses' }), port: E('div', { 'class': 'wgn-under' }), key: E('div', { 'class': 'wgn-under' }),
		peers: E('div', { 'class': 'wgn-count' }), bar: E('div', { 'class': 'wgn-bar', 'role': 'img' }),
		down: E('span'), up: E('span'), spark: E('span', { 'class': 'wgn-slot' }), totals: E('div', { 'class': 'wgn-under' }),
		choose: E('button', { 'class': 'btn cbi-button', 'aria-pressed': 'false', 'click': function(ev) { ev.preventDefault(); actions.choose(shown.name) } }),
		problems: E('button', { 'class': 'btn cbi-button', 'click': function(ev) { ev.preventDefault(); actions.problems(shown) } })
	};
	const node = E('div', { 'class': 'wgn-card' }, [
		E('div', { 'class': 'wgn-card-head' }, [ part.name, part.state ]),
		part.sentence, part.addresses, part.port, part.key, part.peers, part.bar,
		E('div', { 'class': 'wgn-flow' }, [ E('span', { 'class': 'wgn-rates' }, [ part.down, part.up ]), part.spark ]),
		part.totals, E('div', { 'class': 'wgn-buttons' }, [ part.choose, part.problems ])
	]);

	return {
		node: node,
		update: function(i, chosen, several) {
			const r = rows.iface(i);

			shown = i;
			node.dataset.interface = r.name;
			node.classList.toggle('wgn-chosen', chosen);
			put(part.name, r.name);
			put(part.state, r.word);
			part.state.className = 'wgn-state wgn-' + r.colour;
			put(part.sentence, r.sentence);
			part.sentence.title = r.detail;
			put(part.addresses, r.addresses.join('\n'));
			put(part.port, [ r.port ? _('UDP port %s').format(r.port) : '', r.uptime ].filter(String).join(' · '));
			put(part.key, i.public_key ? _('public key %s').format(format.key(i.public_key)) : '');
			part.key.title = i.public_key || '';
			put(part.peers, r.peers);
			bar(part.bar, i.counts, i.peers_total);
			put(part.down, r.rx_rate ? '↓\u00a0' + r.rx_rate : '');
			put(part.up, r.tx_rate ? '↑\u00a0' + r.tx_rate : '');
			put(part.totals, r.moved ? _('received %s, sent %s').format(r.rx, r.tx) : '');
			put(part.problems, r.problems);
			put(part.choose, chosen ? _('Show all peers') : _('Show only its peers'));
			part.choose.setAttribute('aria-pressed', String(chosen));
			part.choose.style.display = (chosen || (several && i.peers_total)) ? '' : 'none';
			part.problems.title = _('of the configuration');
			actions.spark(part.spark, i.up ? { interface: r.name } : null);
		}
	};
}

return baseclass.extend({
	/* list returns { node, update(answer, chosen) }; chosen: the name of the
	 * interface whose peers are shown, '' for all. */
	list(actions) {
		const node = E('div', { 'class': 'wgn-cards' });
		const cards = new Map();

		return {
			node: node,
			update: function(answer, chosen) {
				const there = new Set();
				let at = null;

				for (let i of answer.interfaces || []) {
					let c = cards.get(i.name);

					if (!c)
						cards.set(i.name, c = card(actions));

					there.add(i.name);
					c.update(i, i.name == chosen, answer.interfaces.length > 1);

					const next = at ? at.nextSibling : node.firstChild;

					if (c.node !== next)
						node.insertBefore(c.node, next);

					at = c.node;
				}

				for (let name of Array.from(cards.keys())) {
					if (there.has(name))
						continue;

					actions.spark(cards.get(name).node, null);
					node.removeChild(cards.get(name).node);
					cards.delete(name);
				}
			}
		};
	}
});
