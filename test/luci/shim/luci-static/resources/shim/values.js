'use strict';
'require baseclass';
'require ui';

/* The options of forms. */

function isEmpty(value) {
	return value == null || value === '' || (Array.isArray(value) && !value.length);
}

function isEqual(a, b) {
	return isEmpty(a) ? isEmpty(b) : JSON.stringify([].concat(a).map(String)) === JSON.stringify([].concat(isEmpty(b) ? [] : b).map(String));
}

/* fulfilled tells whether a value is as a condition says. */
function fulfilled(condition, value) {
	return (condition instanceof RegExp) ? condition.test(value == null ? '' : value)
		: (typeof(condition) == 'boolean') ? condition != isEmpty(value)
			: String(condition) === String(value == null ? '' : value);
}

const Value = baseclass.extend({
	__init__(map, section, option, title, description) {
		this.map = map;
		this.section = section;
		this.config = map.config;
		this.option = option;
		this.title = title || '';
		this.description = description || '';
		this.default = null;
		this.rmempty = true;
		this.optional = false;
		this.retain = false;
		this.keylist = [];
		this.vallist = [];
		this.deps = [];
		this.clear();
	},

	/* clear forgets what is on the screen; a copy of an option needs that too. */
	clear() {
		this.values = {};
		this.elements = {};
		this.nodes = {};
	},

	value(key, label) {
		const at = this.keylist.indexOf(String(key));

		if (at < 0) {
			this.keylist.push(String(key));
			this.vallist.push(label == null ? String(key) : label);
		}
		else {
			this.vallist[at] = (label == null) ? String(key) : label;
		}
	},

	/* depends: the field is there if another one has a value; several calls are
	 * several ways. */
	depends(name, value) {
		this.deps.push(typeof(name) == 'object' ? name : { [name]: value });
	},

	load(sid) {
		return this.map.data.get(this.config, sid, this.option);
	},

	cfgvalue(sid, value) {
		if (arguments.length > 1)
			this.values[sid] = value;

		return (this.values[sid] === undefined) ? null : this.values[sid];
	},

	formvalue(sid) {
		const element = this.getUIElement(sid);

		return element ? element.getValue() : null;
	},

	/* textvalue is what a table shows: nodes, or HTML. */
	textvalue(sid) {
		let value = this.cfgvalue(sid);

		if (value == null)
			value = this.default;

		return (value == null) ? null : '%h'.format(Array.isArray(value) ? value.join(', ') : value);
	},

	validate() { return true },
	write(sid, value) { return this.map.data.set(this.config, sid, this.option, value) },
	remove(sid) { return this.map.data.unset(this.config, sid, this.option) },

	getUIElement(sid) { return this.elements[sid] || null },
	isValid(sid) { return !this.getUIElement(sid) || this.getUIElement(sid).isValid() },

	isActive(sid) {
		return Boolean(this.nodes[sid]) && !this.nodes[sid].classList.contains('hidden');
	},

	/* checkDepends shows or hides the field, and tells whether that changed. */
	checkDepends(sid) {
		if (!this.nodes[sid] || !this.deps.length)
			return false;

		const on = this.deps.some(L.bind(function(all) {
			return Object.keys(all).every(L.bind(function(name) {
				return fulfilled(all[name], this.section.valueFor(sid, name));
			}, this));
		}, this));
		const changed = (on != this.isActive(sid));

		this.nodes[sid].classList.toggle('hidden', !on);

		return changed;
	},

	/* parse takes what is in the field over into the configuration. */
	parse(sid) {
		if (!this.nodes[sid])
			return null;

		if (!this.isActive(sid))
			return this.retain ? null : this.remove(sid);

		const element = this.getUIElement(sid);

		if (element && !element.triggerValidation())
			throw new TypeError(_('Option "%s" contains an invalid input value.').format(this.title || this.option) + ' ' + element.getValidationError());

		const value = this.formvalue(sid);

		if (!isEmpty(value))
			return isEqual(this.cfgvalue(sid), value) ? null : this.write(sid, value);

		if (!this.rmempty && !this.optional)
			throw new TypeError(_('Option "%s" must not be empty.').format(this.title || this.option));

		return isEmpty(this.cfgvalue(sid)) ? null : this.remove(sid);
	},

	choices() {
		const out = {};

		this.keylist.forEach(L.bind(function(k, i) { out[k] = this.vallist[i] }, this));

		return this.keylist.length ? out : null;
	},

	/* widget makes the widget of a section's field. */
	widget(sid, kind, more) {
		const value = this.cfgvalue(sid);
		const element = new kind(value == null ? this.default : value, this.choices(), Object.assign({
			id: this.cbid(sid), optional: this.optional || this.rmempty, datatype: this.datatype, placeholder: this.placeholder, password: this.password,
			rows: this.rows, readonly: this.readonly, disabled: (this.readonly != null) ? null : this.map.readonly,
			validate: L.bind(function(v) { return this.validate(sid, v) }, this)
		}, more));

		this.elements[sid] = element;

		return element.render();
	},

	renderWidget(sid) {
		return this.widget(sid, this.keylist.length ? ui.Combobox : ui.Textfield);
	},

	cbid(sid) {
		return 'cbid.%s.%s.%s'.format(this.config, sid, this.option);
	},

	/* render makes the field; in a table it has neither title nor help. */
	render(sid, table) {
		const node = this.nodes[sid] = table
			? E('td', { 'class': 'td cbi-value-field', 'data-title': this.title, 'data-name': this.option }, [ this.renderWidget(sid) ])
			: E('div', { 'class': 'cbi-value', 'id': 'cbi-%s-%s-%s'.format(this.config, sid, this.option), 'data-name': this.option }, [
				this.title ? E('label', { 'class': 'cbi-value-title', 'for': 'widget.' + this.cbid(sid) }, this.title) : null,
				E('div', { 'class': 'cbi-value-field' }, [ this.renderWidget(sid), this.description ? E('div', { 'class': 'cbi-value-description' }, this.description) : null ])
			]);

		node.addEventListener('widget-change', L.bind(function(ev) {
			if (this.onchange)
				this.onchange(ev, sid, this.formvalue(sid));
		}, this));

		return node;
	}
});

const ListValue = Value.extend({
	renderWidget(sid) { return this.widget(sid, ui.Select) }
});

const TextValue = Value.extend({
	renderWidget(sid) { return this.widget(sid, ui.Textarea) }
});

const DynamicList = Value.extend({
	renderWidget(sid) { return this.widget(sid, ui.DynamicList) }
});

const Flag = Value.extend({
	__init__() {
		Value.prototype.__init__.apply(this, arguments);
		this.enabled = '1';
		this.disabled = '0';
		this.default = this.disabled;
	},

	renderWidget(sid) {
		return this.widget(sid, ui.Checkbox, { value_enabled: this.enabled, value_disabled: this.disabled });
	},

	textvalue(sid) {
		const value = this.cfgvalue(sid);

		return ((value == null ? this.default : value) == this.enabled) ? _('Yes') : _('No');
	},

	/* parse leaves the option out where it is as it would be without. */
	parse(sid) {
		if (!this.nodes[sid])
			return null;

		const value = this.formvalue(sid);

		if (!this.isActive(sid))
			return this.retain ? null : this.remove(sid);

		if (value == this.default && (this.optional || this.rmempty))
			return this.remove(sid);

		return isEqual(this.cfgvalue(sid), value) ? null : this.write(sid, value);
	}
});

const Button = Value.extend({
	write() {},
	remove() {},
	parse() {},

	renderWidget(sid) {
		return E('button', {
			'class': 'btn cbi-button cbi-button-' + (this.inputstyle || 'button'), 'disabled': (this.readonly || this.map.readonly) ? '' : null,
			'click': ui.createHandlerFn(this, function(ev) { return this.onclick(ev, sid) })
		}, [ this.inputtitle || this.title ]);
	},

	formvalue() { return null }
});

const DummyValue = Button.extend({
	renderWidget(sid) {
		const value = this.cfgvalue(sid);

		return E('output', {}, (value == null) ? '' : this.rawhtml ? value : [ value ]);
	}
});

/* SectionValue is a section in the place of a field. */
const SectionValue = Value.extend({
	__init__(map, section, option, type) {
		Value.prototype.__init__.call(this, map, section, option);
		this.subsection = new type(map, ...Array.prototype.slice.call(arguments, 4));
		this.subsection.parentoption = this;
	},

	load() { return this.subsection.load() },
	write() {},
	remove() {},
	formvalue() { return null },
	cfgvalue() { return null },
	textvalue() { return null },

	parse(sid) {
		return this.isActive(sid) ? this.subsection.parse() : null;
	},

	checkDepends(sid) {
		const inner = this.subsection.checkDepends();

		return Value.prototype.checkDepends.call(this, sid) || inner;
	},

	render(sid) {
		return this.subsection.render().then(L.bind(function(node) {
			return (this.nodes[sid] = E('div', { 'class': 'cbi-value cbi-value-section', 'data-name': this.option }, [ node ]));
		}, this));
	}
});

return {
	AbstractValue: Value, Value: Value, ListValue: ListValue, TextValue: TextValue, DynamicList: DynamicList, Flag: Flag, Button: Button, DummyValue: DummyValue,
	SectionValue: SectionValue
};
