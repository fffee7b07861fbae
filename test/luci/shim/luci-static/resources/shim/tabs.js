'use strict';
'require baseclass';

/* Panes of which one is shown, with a menu above them. */

/* used tells whether there is anything in a pane. */
function used(pane) {
	const fields = Array.from(pane.querySelectorAll('.cbi-value'));

	return !fields.length || fields.some(function(f) { return !f.classList.contains('hidden') });
}

return baseclass.extend({
	/* render returns menu and panes. list: [ { name, title, node } ]; state.tab: the
	 * name of the one that is shown, and where the choice is kept. */
	render(list, state) {
		const menu = E('ul', { 'class': 'cbi-tabmenu' });
		const show = function(name) {
			state.tab = name;

			for (let t of list)
				t.node.classList.toggle('hidden', t.name != name);

			for (let item of menu.children) {
				item.classList.toggle('cbi-tab', item.dataset.tab == name);
				item.classList.toggle('cbi-tab-disabled', item.dataset.tab != name);
			}
		};

		for (let t of list) {
			t.node.dataset.tab = t.name;
			menu.appendChild(E('li', { 'data-tab': t.name }, [
				E('a', { 'href': '#', 'click': function(ev) { ev.preventDefault(); show(t.name) } }, [ t.title ])
			]));
		}

		show(list.some(function(t) { return t.name == state.tab }) ? state.tab : list[0].name);

		return E('div', { 'class': 'cbi-section-node cbi-section-node-tabbed' }, [ menu ].concat(list.map(function(t) { return t.node })));
	},

	/* update hides what leads to nothing. */
	update(root) {
		for (let item of root.querySelectorAll('.cbi-tabmenu > li')) {
			const pane = Array.from(item.parentNode.parentNode.children).filter(function(n) { return n.tagName != 'UL' && n.dataset.tab == item.dataset.tab })[0];

			item.classList.toggle('hidden', !used(pane));
		}
	}
});
