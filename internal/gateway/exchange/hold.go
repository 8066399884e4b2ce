package exchange

// Holder counts requests on a part of their way. Release ends the count of one request.
type Holder interface{ Release() }

// Hold replaces the holder that counts the request at present, which it releases. h has begun to count the request.
func (x *Exchange) Hold(h Holder) {
	x.Release()
	x.holder = h
}

// Release releases the holder of the request, if it has one.
func (x *Exchange) Release() {
	if x.holder != nil {
		x.holder.Release()
		x.holder = nil
	}
}
