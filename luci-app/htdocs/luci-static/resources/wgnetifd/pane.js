'use strict';
'require baseclass';

/* A further page in the dialog that is open: LuCI's dialogs are maps, one in front
 * of the other, and this one lies in front of them all until it is closed. */

return baseclass.extend({
	/* open hides what the dialog shows and shows content and buttons instead, with
	 * a button that closes it again. map: the node of a map in the dialog. It
	 * returns the function that closes it. */
	open(map, title, content, buttons) {
		const dialog = map.parentNode;
		const head = dialog.querySelector('h4');
		const hidden = Array.prototype.filter.call(dialog.children, function(n) {
			return n !== head && n.style.display != 'none' && !n.classList.contains('hidden');
		});
		const mark = E('span', [ ' » ', title ]);
		const ignore = function(ev) { ev.preventDefault() };

		const close = function() {
			if (!node.parentNode)
				return;

			node.parentNode.removeChild(node);
			mark.parentNode.removeChild(mark);
			hidden.forEach(function(n) { n.style.display = '' });
			window.removeEventListener('dragover', ignore);
			window.removeEventListener('drop', ignore);
		};

		const node = E('div', { 'class': 'wgn-pane' }, [
			content,
			E('div', { 'class': 'button-row right' }, [
				E('button', { 'class': 'btn cbi-button wgn-close', 'click': function(ev) { ev.preventDefault(); close() } }, [ _('Back') ]),
				' '
			].concat(buttons || []))
		]);

		/* A file that is dropped beside the field must not replace the page. */
		window.addEventListener('dragover', ignore);
		window.addEventListener('drop', ignore);

		/* Themes show rows of buttons whatever their class is. */
		hidden.forEach(function(n) { n.style.display = 'none' });
		(head || dialog).appendChild(mark);
		dialog.appendChild(node);

		return close;
	}
});
