'use strict';
'require baseclass';
'require wgnetifd.format as format';

/* A configuration as a picture to scan, as text to edit, and as a file. */

/* picture draws a text as QR code with LuCI's library. That returns markup of
 * nothing but numbers; it is read as an image, never as HTML. */
function picture(uqr, text) {
	const svg = uqr.renderSVG(text, { pixelSize: 4, border: 4 });
	const node = document.importNode(new DOMParser().parseFromString(svg, 'image/svg+xml').documentElement, true);

	/* LuCI's copy of the library writes sizes, newer ones write a box. */
	if (!node.hasAttribute('viewBox'))
		node.setAttribute('viewBox', '0 0 %d %d'.format(node.getAttribute('width'), node.getAttribute('height')));

	node.setAttribute('role', 'img');
	node.setAttribute('aria-label', _('QR code of the configuration'));
	node.removeAttribute('width');
	node.removeAttribute('height');

	return node;
}

return baseclass.extend({
	/* download hands a text over as a file. It never is part of a URL that leaves
	 * the browser: a blob's address is a number. */
	download(name, text) {
		const url = URL.createObjectURL(new Blob([ text ], { type: 'text/plain' }));
		const a = E('a', { 'href': url, 'download': name, 'style': 'display:none' });

		document.body.appendChild(a);
		a.click();
		document.body.removeChild(a);
		URL.revokeObjectURL(url);
	},

	/* render shows a configuration: the picture, which follows the text, the text,
	 * which can be edited, and buttons to save and copy it.
	 * text: the file; name: of the device; missing: sentences of wgnetifd.client. */
	render(text, name, missing) {
		const self = this;
		const code = E('div', { 'class': 'wgn-qr' });
		const area = E('textarea', {
			'class': 'wgn-config', 'spellcheck': 'false', 'autocomplete': 'off', 'wrap': 'off', 'rows': 14,
			'aria-label': _('Configuration')
		});

		const show = function(node) {
			while (code.firstChild)
				code.removeChild(code.firstChild);

			code.appendChild(node);
		};

		/* The library is loaded when it is needed, and only here is it missed. */
		const draw = function() {
			return L.require('uqr').then(function(uqr) {
				try {
					show(picture(uqr, area.value));
				}
				catch (e) {
					show(E('em', [ _('This is too long for a QR code; save the file instead.') ]));
				}
			}, function() {
				show(E('em', [ _('LuCI\'s library for QR codes is not installed (luci-lib-uqr); save the file instead.') ]));
			});
		};

		area.value = text;
		area.addEventListener('input', draw);
		draw();

		const copied = E('span', { 'class': 'wgn-note', 'role': 'status' });

		return E('div', { 'class': 'wgn-export' }, [
			missing.length ? E('div', { 'class': 'alert-message warning' }, [
				E('ul', missing.map(function(m) { return E('li', [ m ]) }))
			]) : E([]),
			E('div', { 'class': 'wgn-export-parts' }, [ code, area ]),
			E('p', { 'class': 'wgn-note' }, [
				_('Scan the picture with the WireGuard app, or take the file to the device. Whoever has it can connect as this device.')
			]),
			E('div', { 'class': 'wgn-buttons' }, [
				E('button', { 'class': 'btn cbi-button cbi-button-action', 'click': function(ev) {
					ev.preventDefault();
					self.download(format.fileName(name) + '.conf', area.value);
				} }, [ _('Download file') ]),
				' ',
				E('button', { 'class': 'btn cbi-button', 'click': function(ev) {
					ev.preventDefault();
					area.select();
					copied.textContent = document.execCommand('copy') ? _('Copied.') : _('Copy the selected text by hand.');
				} }, [ _('Copy') ]),
				' ', copied
			])
		]);
	}
});
