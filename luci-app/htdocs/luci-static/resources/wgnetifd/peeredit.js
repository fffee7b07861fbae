'use strict';
'require baseclass';
'require form';
'require ui';
'require wgnetifd.backend as backend';
'require wgnetifd.check as check';
'require wgnetifd.fields as fields';
'require wgnetifd.options as options';
'require wgnetifd.rows as rows';

/* The form of one peer on the monitoring page: the fields of the interface's
 * form. It holds this one section, not the whole configuration, so that it opens
 * with thousands of peers too. */

const GENERAL = [ 'description', 'disabled', 'public_key', 'preshared_key', 'allowed_ips', 'route_allowed_ips', 'endpoint_host', 'endpoint_port', 'persistent_keepalive' ];

function equal(a, b) {
	return JSON.stringify(a == null ? '' : a) === JSON.stringify(b == null ? '' : b);
}

return baseclass.extend({
	/* difference returns the operations that make the section `before` what the
	 * form says in `after`, none when nothing changed. */
	difference(before, after) {
		const values = {}, gone = [], ops = [];

		for (let spec of options.PEER) {
			let was = before[spec.name], is = after[spec.name];

			/* The file may have one string where the form has a list. */
			if (spec.list && was != null)
				was = [].concat(was).reduce(function(all, v) { return all.concat(check.split(v)) }, []);

			if (spec.type == 'boolean' && was != null && check.isTrue(was) == check.isTrue(is))
				continue;

			if (equal(was, is))
				continue;

			if (is == null || is.length == 0)
				gone.push(spec.name);
			else
				values[spec.name] = is;
		}

		if (Object.keys(values).length)
			ops.push({ op: 'set', config: 'network', section: before['.name'], values: values });

		if (gone.length)
			ops.push({ op: 'remove', config: 'network', section: before['.name'], options: gone });

		return ops;
	},

	/* open shows the form. apply(ops) makes the changes. */
	open(peer, section, apply) {
		const self = this;
		const data = {};

		for (let name in section)
			if (name.charAt(0) != '.')
				data[name] = section[name];

		const map = new form.JSONMap({ peer: data });
		const s = map.section(form.NamedSection, 'peer', 'peer');

		s.addremove = false;
		s.tab('general', _('General Settings'));
		s.tab('advanced', _('Advanced Settings'));
		s.tab('client', _('For the device'), _('What the device itself is told. It is kept with the peer, so that its QR code can be shown again.'));

		for (let name of GENERAL) {
			const o = fields.add(s, 'general', options.PEER, name);

			if (name == 'disabled') {
				o.title = _('Enabled');
				o.description = _('A peer that is switched off keeps its configuration.');
				o.enabled = '0';
				o.disabled = '1';
				o.default = '0';
			}

			if (name == 'public_key') {
				o.rmempty = false;
				o.optional = false;
			}

			if (name == 'preshared_key')
				this.pskButton(s);
		}

		const client = options.PEER.filter(function(spec) { return spec.name == 'private_key' || spec.name.indexOf('client_') == 0 });

		fields.rest(s, 'client', client);
		fields.rest(s, 'advanced', options.PEER);

		return map.render().then(function(node) {
			const failed = E('div');
			const save = function() {
				return map.save(null, true).then(function() {
					const ops = self.difference(section, map.data.get(map.config, 'peer') || {});

					return (ops.length ? apply(ops) : Promise.resolve()).then(function() { ui.hideModal() });
				}).catch(function(e) {
					if (!e)
						return;

					failed.className = 'alert-message warning';
					failed.textContent = rows.failure(e);
				});
			};

			ui.showModal([ _('Edit %s').format(peer.name) ], [
				E('div', { 'class': 'wgn-dialog' }, [ node, failed ]),
				E('div', { 'class': 'button-row right' }, [
					E('button', { 'class': 'btn cbi-button', 'click': function(ev) { ev.preventDefault(); ui.hideModal() } }, [ _('Dismiss') ]), ' ',
					E('button', { 'class': 'btn cbi-button cbi-button-apply important', 'click': ui.createHandlerFn(self, save) }, [ _('Save & Apply') ])
				])
			], 'cbi-modal');
		});
	},

	pskButton(s) {
		const o = s.taboption('general', form.Button, '_psk', ' ');

		o.inputtitle = _('Generate preshared key');
		o.onclick = function(ev, section_id) {
			return backend.generatePsk().then(L.bind(function(psk) {
				const element = this.section.getUIElement(section_id, 'preshared_key');

				element.setValue(psk);
				element.triggerValidation();
			}, this));
		};
	}
});
