"""What people read of a bundle: a page that needs nothing but itself, and a card in words."""
