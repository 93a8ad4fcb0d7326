"""JSON routes of booking: open windows, bookings, the waiting list, draws."""
