'use strict';
'require form';
'require network';
'require poll';
'require uci';
'require view';

/* Network → Interfaces with no more than a test of a protocol's form needs: the
 * list, and for each interface the form that its protocol has. */

/* errors shows what netifd has against the interfaces. */
function errors() {
	return network.getNetworks().then(function(all) {
		for (let n of all) {
			const node = document.querySelector('[data-errors="%s"]'.format(n.getName()));

			if (node)
				node.textContent = n.getErrors().join(' ');
		}
	});
}

return view.extend({
	load() {
		return Promise.all([ uci.load('network'), L.require('protocol.wireguard') ]);
	},

	render() {
		const map = new form.Map('network', _('Interfaces'));
		const s = map.section(form.GridSection, 'interface');

		s.addremove = true;
		s.anonymous = false;
		s.filter = function(sid) { return sid != 'loopback' };
		s.modaltitle = function(sid) { return _('Interfaces') + ' » ' + sid };
		s.tab('general', _('General Settings'));
		s.tab('advanced', _('Advanced Settings'));

		const name = s.option(form.DummyValue, '_name', _('Name'));

		name.modalonly = false;
		name.textvalue = function(sid) { return E('strong', [ sid ]) };

		const status = s.option(form.DummyValue, '_status', _('Status'));

		status.modalonly = false;
		status.textvalue = function(sid) { return E('span', { 'data-errors': sid }) };

		s.taboption('general', form.ListValue, 'proto', _('Protocol')).modalonly = true;

		s.handleRemove = function(sid) {
			const own = network.getProtocol(uci.get('network', sid, 'proto'), sid);

			if (own.deleteConfiguration)
				own.deleteConfiguration();

			return Object.getPrototypeOf(this).handleRemove.apply(this, arguments);
		};

		s.addModalOptions = function(section) {
			const proto = uci.get('network', section.section, 'proto');
			const list = section.getOption('proto');

			list.value(proto, network.getProtocol(proto).getI18n());
			network.getProtocols().forEach(function(p) { list.value(p.getProtocol(), p.getI18n()) });

			const own = network.getProtocol(proto, section.section);

			if (own.renderFormOptions)
				own.renderFormOptions(section);
		};

		poll.add(errors);

		return map.render();
	}
});
