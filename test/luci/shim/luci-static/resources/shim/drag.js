'use strict';
'require baseclass';

/* Rows of a table are sorted by hand: a row is dragged by its handle and dropped
 * on another one, before it in the upper half, behind it in the lower one. */

let dragged = null;

return baseclass.extend({
	handle(grid, sid) {
		return E('button', {
			'class': 'btn cbi-button drag-handle', 'draggable': grid.map.readonly ? null : 'true', 'disabled': grid.map.readonly ? '' : null, 'title': _('Drag to reorder'),
			'dragstart': function(ev) {
				dragged = { grid: grid, sid: sid };
				ev.dataTransfer.effectAllowed = 'move';
				ev.dataTransfer.setData('text/plain', sid);
			},
			'dragend': function() { dragged = null }
		}, [ '☰' ]);
	},

	target(grid, sid, row) {
		const mine = function() { return dragged && dragged.grid === grid && dragged.sid != sid };

		row.addEventListener('dragover', function(ev) {
			if (mine())
				ev.preventDefault();
		});
		row.addEventListener('drop', function(ev) {
			if (!mine())
				return;

			const box = row.getBoundingClientRect(), behind = (ev.clientY > box.top + box.height / 2);
			const moved = row.parentNode.querySelector('[data-sid="%s"]'.format(dragged.sid));

			ev.preventDefault();
			grid.map.data.move(grid.config, dragged.sid, sid, behind);
			row.parentNode.insertBefore(moved, behind ? row.nextSibling : row);
		});

		return row;
	}
});
