'use strict';
'require baseclass';
'require uci';
'require ui';
'require wgnetifd.backend as backend';
'require wgnetifd.check as check';
'require wgnetifd.config as config';
'require wgnetifd.pane as pane';

/* The page that takes a configuration file: pasted, dropped or chosen. It says
 * whom the file describes, and asks where it cannot know. */

const SIDES = {
	router: _('This router: the interface gets the key, the addresses and the peers of the file'),
	peer: _('Another device that connects to this router: it becomes a peer of this interface'),
	peers: _('Further peers of this interface')
};

function lines(title, list) {
	return !list.length ? E([]) : E('div', { 'class': 'wgn-lines' }, [
		E('strong', [ title ]),
		E('ul', list.map(function(l) { return E('li', [ l.line ? _('Line %d: %s').format(l.line, l.text) : String(l) ]) }))
	]);
}

/* assign writes options of a section into UCI; '' and [] take them away. */
function assign(sid, values) {
	for (let name in values) {
		const v = values[name];

		if (v == null || v.length == 0)
			uci.unset('network', sid, name);
		else
			uci.set('network', sid, name, v);
	}
}

/* savePeer adds a peer, or changes the one that has its key already: what the
 * file says nothing of stays. */
function savePeer(type, values) {
	const old = uci.sections('network', type).filter(function(p) { return p.public_key == values.public_key })[0];
	const sid = old ? old['.name'] : uci.add('network', type);

	if (!old)
		return assign(sid, values);

	for (let name in values)
		if (values[name] != null && values[name].length && !(name == 'description' && old.description))
			uci.set('network', sid, name, values[name]);
}

return baseclass.extend({
	/* open opens the page in front of the form of an interface.
	 * s: the section of the form; own(): its { privateKey, publicKey }. */
	open(map, s, own, preferred) {
		const type = 'wireguard_%s'.format(s.section);
		const state = { config: null, side: null, comment: '', same: false };
		const result = E('div', { 'aria-live': 'polite' });
		const area = E('textarea', {
			'rows': 10, 'spellcheck': 'false', 'autocomplete': 'off', 'wrap': 'off',
			'placeholder': _('Paste the configuration here, or drag the file here…'), 'aria-label': _('Configuration')
		});
		const file = E('input', { 'type': 'file', 'accept': '.conf,text/plain', 'style': 'display:none' });

		const button = E('button', {
			'class': 'btn cbi-button cbi-button-positive important wgn-import', 'disabled': '',
			'click': ui.createHandlerFn(this, function() {
				return this.apply(s, type, state, key.value.trim()).then(close, function(e) {
					result.appendChild(E('div', { 'class': 'alert-message warning' }, [ e.message ]));
				});
			})
		}, [ _('Import') ]);

		/* A device keeps its key to itself, maybe. */
		const key = E('input', { 'type': 'text', 'class': 'cbi-input-text', 'style': 'width:100%', 'placeholder': _('Public key of the device') });

		const update = function() {
			const needsKey = (state.side == 'peer' && !state.config.interface.privateKey);
			const ready = state.config && !state.config.errors.length && state.side && (!needsKey || check.isKey(key.value.trim()));

			key.parentNode.style.display = needsKey ? '' : 'none';
			button.disabled = !ready;

			const notes = (ready && state.side == 'router') ? config.asRouter(state.config).notes : [];
			const old = result.querySelector('.wgn-notes');

			if (old)
				old.parentNode.replaceChild(E('div', { 'class': 'wgn-notes' }, [ lines(_('Good to know'), notes) ]), old);
		};

		const read = function() {
			state.config = (area.value.trim() == '') ? null : config.parse(area.value);
			state.side = null;

			while (result.firstChild)
				result.removeChild(result.firstChild);

			if (state.config) {
				const o = own();
				const found = config.side(state.config, { privateKey: o.privateKey, publicKey: o.publicKey, peers: uci.sections('network', type).length });

				state.same = !!o.privateKey && o.privateKey == state.config.interface.privateKey;
				state.side = found.side || (state.config.errors.length ? null : preferred) || null;
				result.appendChild(choice(state, found, update));
			}

			update();
		};

		key.addEventListener('input', update);
		area.addEventListener('input', read);
		area.addEventListener('dragover', function(ev) {
			ev.preventDefault();
			ev.dataTransfer.dropEffect = 'copy';
			area.classList.add('wgn-over');
		});
		area.addEventListener('dragleave', function() { area.classList.remove('wgn-over') });
		area.addEventListener('drop', function(ev) {
			area.classList.remove('wgn-over');

			if (!ev.dataTransfer.files.length)
				return;

			ev.preventDefault();
			load(ev.dataTransfer.files[0]);
		});
		file.addEventListener('change', function() {
			if (file.files.length)
				load(file.files[0]);
		});

		const load = function(f) {
			f.text().then(function(text) {
				state.comment = f.name.replace(/\.[^.]*$/, '');
				area.value = text;
				read();
			});
		};

		const close = pane.open(map, _('Import a configuration'), E('div', [
			E('p', [ _('A configuration file of WireGuard (wg0.conf) from a provider, another router or a device.') ]),
			area, file,
			E('p', [ E('button', { 'class': 'btn cbi-button', 'click': function(ev) { ev.preventDefault(); file.click() } }, [ _('Choose a file…') ]) ]),
			result,
			E('p', { 'style': 'display:none' }, [ E('label', [ _('The file has no private key. Public key of the device:') ]), key ])
		]), [ button ]);

		area.focus();
	},

	/* apply writes what the file says into the form and into UCI, where Save &
	 * Apply finds it. */
	apply(s, type, state, publicKey) {
		const i = state.config.interface;

		if (state.side == 'peers') {
			config.peerOptions(state.config.peers, '', state.comment).forEach(function(p) { savePeer(type, p) });

			return s.map.save(null, true);
		}

		return (i.privateKey ? backend.publicKey(i.privateKey) : Promise.resolve(publicKey)).then(function(pub) {
			if (state.side == 'peer') {
				savePeer(type, config.asPeer(state.config, { priv: i.privateKey, pub: pub }, s.formvalue(s.section, 'public_key'), state.comment));
			}
			else {
				const wanted = config.asRouter(state.config, state.comment, state.same);

				wanted.interface.public_key = pub;

				for (let name in wanted.interface) {
					const o = s.children.filter(function(c) { return c.option == name })[0];
					const element = o ? o.getUIElement(s.section) : null;

					if (element)
						element.setValue(wanted.interface[name]);

					/* A field that is not shown takes its option along: LuCI before
					 * 25.12 shows search domains only with peerdns off. */
					if (o)
						o.retain = true;

					if (name != 'public_key')
						assign(s.section, { [name]: wanted.interface[name] });
				}

				wanted.peers.forEach(function(p) { savePeer(type, p) });
			}

			return s.map.save(null, true);
		});
	}
});

/* choice shows what was found out about a file. */
function choice(state, found, update) {
	const sides = found.side ? [ found.side ] : [ 'router', 'peer' ];

	/* Where the file can only be one thing there is nothing to choose; where the
	 * person knows better than we do, there is. */
	if (found.side && found.side != 'peers')
		sides.push(found.side == 'router' ? 'peer' : 'router');

	const usable = sides.filter(function(side) { return side != 'router' || state.config.interface.privateKey });

	return E('div', [
		lines(_('This cannot be imported'), state.config.errors),
		state.config.errors.length ? E([]) : E('fieldset', [
			E('p', { 'class': 'wgn-why' }, [ found.why, found.side ? '' : ' ' + _('Whom does it describe?') ])
		].concat(usable.map(function(side) {
			return E('label', [
				E('input', {
					'type': 'radio', 'name': 'wgn-side', 'value': side, 'checked': (side == state.side) ? '' : null,
					'change': function() { state.side = side; update() }
				}),
				E('span', [ SIDES[side] ])
			]);
		}))),
		E('div', { 'class': 'wgn-notes' })
	]);
}
