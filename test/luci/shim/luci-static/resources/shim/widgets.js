'use strict';
'require baseclass';

/* The widgets of forms. Each has getValue, setValue, isValid, getValidationError,
 * triggerValidation and render; it says widget-update while one types, and
 * widget-change when one is done. */

let serial = 0;

/* Validator judges a field while one types. */
class Validator {
	constructor(field, type, optional, judge, events) {
		if (type)
			throw new Error('the shim of LuCI knows no data types: ' + type);

		this.field = field;
		this.optional = optional;
		this.judge = judge;
		field.validator = this;
		events.forEach((event) => field.addEventListener(event, () => this.validate()));
	}

	validate() {
		const value = this.field.value;
		let error = '';

		if (value === '' && !this.optional)
			error = _('Expecting: %s').format(_('non-empty value'));

		if (!error && this.judge) {
			const said = this.judge(value);

			if (said !== true)
				error = said || _('Expecting: %s').format(_('valid value'));
		}

		this.error = error;
		this.field.classList.toggle('cbi-input-invalid', error != '');

		if (error)
			this.field.setAttribute('data-tooltip', error);
		else
			this.field.removeAttribute('data-tooltip');

		this.field.dispatchEvent(new CustomEvent(error ? 'validation-failure' : 'validation-success', { bubbles: true }));

		return !error;
	}
}

function tell(node, name) {
	node.dispatchEvent(new CustomEvent(name, { bubbles: true }));
}

/* proposals is the list that a text field proposes values from. */
function proposals(choices, id) {
	return E('datalist', { 'id': id }, Object.keys(choices).map(function(k) { return E('option', { 'value': k }, [ String(choices[k]) ]) }));
}

const AbstractElement = baseclass.extend({
	__init__(value, choices, options) {
		this.value = value;
		this.choices = choices || null;
		this.options = options || {};
	},

	/* fields are the inputs that are judged. */
	fields() {
		return [ this.input ];
	},

	judged(input, optional) {
		new Validator(input, this.options.datatype, optional, this.options.validate, [ 'keyup', 'input', 'blur' ]);
		[ 'keyup', 'input' ].forEach((event) => input.addEventListener(event, () => tell(this.node, 'widget-update')));
	},

	getValue() { return this.input.value },
	setValue(value) { this.input.value = (value == null) ? '' : value },

	isValid() {
		return this.fields().every(function(f) { return !f.validator || !f.validator.error });
	},

	getValidationError() {
		return this.fields().map(function(f) { return f.validator ? f.validator.error : '' }).filter(String).join(' ');
	},

	triggerValidation() {
		return this.fields().map(function(f) { return f.validator ? f.validator.validate() : true }).every(Boolean);
	},

	getPlaceholder() { return this.options.placeholder || null }
});

const Textfield = AbstractElement.extend({
	render() {
		const list = this.choices ? 'proposals-' + (++serial) : null;

		this.input = E('input', {
			'type': this.options.password ? 'password' : 'text', 'class': 'cbi-input-' + (this.options.password ? 'password' : 'text'), 'id': 'widget.' + this.options.id,
			'placeholder': this.options.placeholder, 'autocomplete': 'off', 'list': list,
			'readonly': this.options.readonly ? '' : null, 'disabled': this.options.disabled ? '' : null
		});
		this.node = E('div', { 'class': 'cbi-input' }, [ this.input, list ? proposals(this.choices, list) : null ]);

		if (this.options.password)
			this.node.appendChild(E('button', { 'class': 'btn cbi-button', 'title': _('Reveal/hide password'), 'click': (ev) => {
				ev.preventDefault();
				this.input.type = (this.input.type == 'password') ? 'text' : 'password';
			} }, [ '∗' ]));

		this.setValue(this.value);
		this.judged(this.input, this.options.optional);
		this.input.addEventListener('change', () => tell(this.node, 'widget-change'));

		return this.node;
	}
});

const Textarea = AbstractElement.extend({
	render() {
		this.input = E('textarea', {
			'class': 'cbi-input-textarea', 'id': 'widget.' + this.options.id, 'rows': this.options.rows, 'placeholder': this.options.placeholder,
			'readonly': this.options.readonly ? '' : null, 'disabled': this.options.disabled ? '' : null
		});
		this.node = E('div', [ this.input ]);
		this.setValue(this.value);
		this.judged(this.input, this.options.optional);
		this.input.addEventListener('change', () => tell(this.node, 'widget-change'));

		return this.node;
	}
});

const Checkbox = AbstractElement.extend({
	render() {
		this.input = E('input', { 'type': 'checkbox', 'id': 'widget.' + this.options.id, 'disabled': this.options.disabled ? '' : null });
		this.input.checked = (this.value == this.options.value_enabled);
		this.input.addEventListener('change', () => tell(this.node, 'widget-change'));
		this.node = E('div', { 'class': 'cbi-checkbox' }, [ this.input, E('label') ]);

		return this.node;
	},

	isChecked() { return this.input.checked },
	getValue() { return this.input.checked ? this.options.value_enabled : this.options.value_disabled },
	setValue(value) { this.input.checked = (value == this.options.value_enabled) }
});

const Select = AbstractElement.extend({
	render() {
		const keys = Object.keys(this.choices || {});

		if (this.options.sort)
			keys.sort(function(a, b) { return this.options.sort.indexOf(a) - this.options.sort.indexOf(b) }.bind(this));

		this.input = E('select', { 'class': 'cbi-input-select', 'id': 'widget.' + this.options.id, 'disabled': this.options.disabled ? '' : null },
			keys.map((k) => E('option', { 'value': k }, [ this.choices[k] ])));
		this.setValue(this.value);
		this.node = E('div', [ this.input ]);
		this.judged(this.input, true);
		this.input.addEventListener('change', () => tell(this.node, 'widget-change'));

		return this.node;
	},

	setValue(value) {
		this.input.value = (value == null) ? '' : value;

		if (this.input.selectedIndex < 0)
			this.input.selectedIndex = 0;
	}
});

/* DynamicList is a list of values with a field for a further one, which counts
 * as soon as something right stands in it. */
const DynamicList = AbstractElement.extend({
	render() {
		const list = this.choices ? 'proposals-' + (++serial) : null;

		this.input = E('input', {
			'type': 'text', 'class': 'cbi-input-text', 'id': 'widget.' + this.options.id, 'placeholder': this.options.placeholder, 'autocomplete': 'off', 'list': list,
			'disabled': this.options.disabled ? '' : null
		});
		this.input.addEventListener('keydown', (ev) => {
			if (ev.key != 'Enter')
				return;

			ev.preventDefault();
			this.take();
		});
		this.last = E('div', { 'class': 'add-item control-group' }, [
			this.input, list ? proposals(this.choices, list) : null,
			E('button', { 'class': 'btn cbi-button cbi-button-add', 'disabled': this.options.disabled ? '' : null, 'click': (ev) => { ev.preventDefault(); this.take() } }, [ '+' ])
		]);
		this.node = E('div', { 'class': 'cbi-dynlist' }, [ this.last ]);
		this.setValue(this.value);
		this.judged(this.input, true);

		return this.node;
	},

	/* take makes an item of what was typed. */
	take() {
		const value = this.input.value.trim();

		if (!value || !this.input.validator.validate())
			return;

		this.insert(value);
		this.input.value = '';
		this.changed();
	},

	changed() {
		this.input.validator.validate();
		tell(this.node, 'widget-change');
	},

	insert(value) {
		if (this.items().indexOf(value) >= 0)
			return;

		const item = E('div', { 'class': 'item' }, [
			E('span', [ (this.choices && this.choices[value]) || value ]),
			E('input', { 'type': 'hidden', 'value': value }),
			E('button', { 'class': 'btn cbi-button', 'title': _('Delete'), 'disabled': this.options.disabled ? '' : null, 'click': (ev) => {
				ev.preventDefault();
				this.node.removeChild(item);
				this.changed();
			} }, [ '×' ])
		]);

		this.node.insertBefore(item, this.last);
	},

	items() {
		return Array.from(this.node.querySelectorAll('.item > input')).map(function(i) { return i.value });
	},

	getValue() {
		const typed = this.input.value.trim(), items = this.items();

		return (typed && this.isValid() && items.indexOf(typed) < 0) ? items.concat(typed) : items;
	},

	setValue(values) {
		Array.from(this.node.querySelectorAll('.item')).forEach((i) => this.node.removeChild(i));
		L.toArray(values).forEach((v) => this.insert(String(v)));
	}
});

return {
	AbstractElement: AbstractElement,
	Textfield: Textfield,
	Textarea: Textarea,
	Checkbox: Checkbox,
	Select: Select,
	Combobox: Textfield,
	DynamicList: DynamicList,

	/* addValidator has a field judged at these events. */
	addValidator(field, type, optional, judge) {
		const v = new Validator(field, type, optional, judge, Array.prototype.slice.call(arguments, 4));

		return function() { return v.validate() };
	}
};
